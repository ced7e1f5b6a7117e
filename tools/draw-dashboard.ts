/**
 * Draws the pictures of the dashboard: `npm run pictures` all of them, into a folder that is named (`coverage/dashboard` without one);
 * `npm run pictures -- --docs` the six of `docs/dashboard`. Needs chromium.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { closeBrowser, look } from '../test/browser/support/browser.ts'
import { NOW, type Scene, sceneOf } from '../test/browser/support/scenes.ts'
import { Scripted } from '../test/browser/support/scripted.ts'

export interface Picture {
  readonly name: string
  readonly scenes: () => readonly Scene[]
  readonly hash: string
  prepare?(page: Page, service: Scripted): Promise<void>
}

const settle = (page: Page): Promise<void> => page.waitForTimeout(400)

const withStatus = (scene: Scene, status: object): Scene => ({
  ...scene,
  snapshot: { ...scene.snapshot, status: { ...scene.snapshot.status, ...status } },
})

export const pictures: readonly Picture[] = [
  { name: 'busy', scenes: () => [sceneOf('busy')], hash: '#/llm/running' },
  { name: 'overload', scenes: () => [sceneOf('overload')], hash: '#/llm/refused' },
  { name: 'idle', scenes: () => [sceneOf('idle')], hash: '#/llm/running' },
  {
    name: 'disconnected',
    scenes: () => [sceneOf('busy')],
    hash: '#/llm/running',
    prepare: async (page, service) => {
      service.cut()
      await page.getByRole('heading', { name: /^Disconnected/ }).waitFor()
      await page.waitForTimeout(1_500)
    },
  },
  { name: 'waiting', scenes: () => [sceneOf('busy')], hash: '#/llm/waiting' },
  { name: 'request', scenes: () => [sceneOf('busy')], hash: '#/llm/request/sum-8f21c0' },
  {
    name: 'dead',
    scenes: () => [sceneOf('busy')],
    hash: '#/llm/dead',
    prepare: async (page) => {
      const boxes = page.locator('td.pick input')
      await boxes.first().waitFor()
      for (const at of [0, 1, 2]) await boxes.nth(at).check()
      await page.getByRole('button', { name: 'Requeue 3' }).click()
      await page.getByRole('dialog').waitFor()
    },
  },
  { name: 'queues', scenes: () => [sceneOf('busy'), sceneOf('overload', 'ocr'), sceneOf('idle', 'mail')], hash: '#/' },
  { name: 'settings', scenes: () => [sceneOf('busy')], hash: '#/llm/settings' },
  {
    name: 'read-only',
    scenes: () => [sceneOf('busy')],
    hash: '#/llm/ended',
    prepare: async (page, service) => {
      service.session = { name: 'anonymous', level: 'viewer' }
      await page.reload()
      await page.getByText('read-only').waitFor()
    },
  },
  {
    name: 'error',
    scenes: () => [sceneOf('busy')],
    hash: '#/llm/dead',
    prepare: async (page, service) => {
      service.answer = (path) =>
        path.endsWith('/requests')
          ? { status: 503, body: { code: 'TRIAGE_STORE_UNAVAILABLE', title: 'The store does not answer' } }
          : undefined
      await page.reload()
      await page.getByText('Try again').waitFor()
    },
  },
  {
    name: 'needs-a-look',
    scenes: () => [withStatus(sceneOf('busy'), { store: { state: 'faulty', pending: 3 } })],
    hash: '#/llm/running',
  },
  { name: 'paused', scenes: () => [withStatus(sceneOf('idle'), { state: 'paused' })], hash: '#/llm/running' },
  { name: 'gone', scenes: () => [sceneOf('busy'), sceneOf('idle', 'ocr')], hash: '#/mail/running' },
  {
    name: 'log-in',
    scenes: () => [sceneOf('busy')],
    hash: '#/llm/running',
    prepare: async (page, service) => {
      service.session = null
      await page.reload()
      await page.getByLabel('Token').waitFor()
    },
  },
]

export async function draw(
  folder: string,
  wanted: (name: string, width: number, scheme: string) => boolean,
  asWebp = false,
): Promise<number> {
  mkdirSync(folder, { recursive: true })
  let drawn = 0
  for (const { name, scenes, hash, prepare } of pictures) {
    for (const width of [1_440, 768, 320]) {
      for (const colorScheme of ['light', 'dark'] as const) {
        if (!wanted(name, width, colorScheme)) continue
        const service = await Scripted.start(...scenes())
        const { page, faults } = await look({ colorScheme, viewport: { width, height: width === 320 ? 700 : 900 } })
        await page.clock.setFixedTime(NOW)
        await page.goto(`${service.url}/${hash}`)
        await page.locator('h1').first().waitFor()
        await settle(page)
        await prepare?.(page, service)
        await settle(page)
        // A dialog is in the middle of the window, not of the page.
        const png = await page.screenshot({ fullPage: (await page.getByRole('dialog').count()) === 0 })
        const file = join(folder, `${name}-${width}-${colorScheme}`)
        if (asWebp) writeFileSync(`${file}.webp`, await webpOf(png))
        else writeFileSync(`${file}.png`, png)
        await page.context().close()
        await service.close()
        for (const fault of faults) console.error(`${name} ${width} ${colorScheme}: ${fault}`)
        drawn++
      }
    }
  }
  return drawn
}

/** A third of the size, and nobody sees a difference: made by the browser itself. */
async function webpOf(png: Buffer): Promise<Buffer> {
  const { page } = await look()
  const text = await page.evaluate<string>(`new Promise((done) => {
    const image = new Image()
    image.onload = () => {
      const canvas = document.createElement('canvas')
      canvas.width = image.width
      canvas.height = image.height
      canvas.getContext('2d').drawImage(image, 0, 0)
      done(canvas.toDataURL('image/webp', 0.86))
    }
    image.src = 'data:image/png;base64,${png.toString('base64')}'
  })`)
  await page.context().close()
  return Buffer.from(text.slice(text.indexOf(',') + 1), 'base64')
}

/** Those that `docs/dashboard.md` shows. */
const docs = new Set([
  'busy-1440-light',
  'overload-1440-dark',
  'request-1440-light',
  'dead-768-light',
  'disconnected-768-dark',
  'busy-320-light',
])

if (import.meta.main) {
  const [only] = process.argv.slice(2)
  const root = join(import.meta.dirname, '..')
  const isDocs = only === '--docs'
  const folder = isDocs ? join(root, 'docs/dashboard') : join(root, 'coverage/dashboard')
  const isWanted = (name: string): boolean => (isDocs ? docs.has(name) : only === undefined || name.startsWith(only))
  const drawn = await draw(folder, (name, width, scheme) => isWanted(`${name}-${width}-${scheme}`), isDocs)
  await closeBrowser()
  console.log(`${drawn} pictures in ${folder}`)
}
