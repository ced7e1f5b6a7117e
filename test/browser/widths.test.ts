/**
 * Does the page fit every window? At every 40 px from 320 to 1,920, with usual and with extreme values: no text and no control overlaps
 * another, leaves its panel or is cut without an ellipsis, and nothing is scrolled sideways.
 */
import type { Page } from 'playwright-core'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { type Picture, pictures } from '../../tools/draw-dashboard.ts'
import { closeBrowser, look } from './support/browser.ts'
import { extremeOf, extremeRequest, longId, longName } from './support/extreme.ts'
import { misplaced, noteLabels } from './support/misplaced.ts'
import { NOW, sceneOf, starvedOf } from './support/scenes.ts'
import { Scripted } from './support/scripted.ts'

afterAll(closeBrowser)

const widths = Array.from({ length: 41 }, (_, n) => 320 + 40 * n)

/** What stands at the wrong place, width by width. */
async function misplacedIn({ scenes, hash, prepare }: Picture): Promise<string[]> {
  const service = await Scripted.start(...scenes())
  const { page } = await look({ viewport: { width: 1_440, height: 900 } })
  onTestFinished(async () => {
    await page.context().close()
    await service.close()
  })
  await page.addInitScript(noteLabels)
  await page.clock.setFixedTime(NOW)
  service.answer = (path) =>
    path.endsWith(`/requests/${encodeURIComponent(longId(7))}`) ? { status: 200, body: extremeRequest() } : undefined
  await page.goto(`${service.url}/${hash}`)
  await page.locator('h1').first().waitFor()
  await page.locator('.page, .door').first().waitFor()
  await prepare?.(page, service)
  await page.waitForTimeout(300)
  const found: string[] = []
  for (const [at, width] of widths.entries()) {
    await page.emulateMedia({ colorScheme: at % 2 === 0 ? 'light' : 'dark' })
    await page.setViewportSize({ width, height: 900 })
    let wrong: string[] = []
    // Charts take their new size in one of the next frames.
    for (let tries = 0; tries < 5; tries++) {
      await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))')
      wrong = await page.evaluate<string[]>(misplaced)
      if (wrong.length === 0) break
    }
    found.push(...wrong.map((what) => `${width}: ${what}`))
  }
  return found
}

test.each(pictures)('$name: everything has its place, at every width', async (picture) => {
  expect(await misplacedIn(picture)).toEqual([])
})

const queue = encodeURIComponent(longName)
const views = [
  'running',
  'waiting',
  'retrying',
  'delayed',
  'ended',
  'dead',
  'refused',
  'settings',
  `request/${longId(7)}`,
]

test.each(views)('extreme values: everything has its place, at every width: %s', async (view) => {
  const scenes = () => [extremeOf(sceneOf(view === 'refused' ? 'overload' : 'busy')), sceneOf('idle')]
  expect(await misplacedIn({ name: view, scenes, hash: `#/${queue}/${view}` })).toEqual([])
})

test('extreme values: everything has its place, at every width: several queues', async () => {
  const scenes = () => [extremeOf(sceneOf('busy')), extremeOf(sceneOf('overload'), 'ocr'), sceneOf('idle', 'mail')]
  expect(await misplacedIn({ name: 'queues', scenes, hash: '#/' })).toEqual([])
})

test('a tier of which nothing starts: everything has its place, at every width', async () => {
  const scenes = () => [starvedOf(sceneOf('overload'))]
  expect(await misplacedIn({ name: 'starved', scenes, hash: '#/llm/running' })).toEqual([])
})

const click = (name: string) => async (page: Page) => {
  await page.getByRole('button', { name }).click()
  await page.getByRole('dialog').waitFor()
}

test.each<[string, string, Picture['prepare']]>([
  ['all keys', 'running', async (page) => page.keyboard.press('?')],
  ['who one is', 'running', click('operator')],
  ['another tier', `request/${longId(7)}`, click('Change tier')],
  ['before it is cancelled', `request/${longId(7)}`, click('Cancel')],
  [
    'charts as tables',
    'running',
    (page) => page.evaluate('for (const each of document.querySelectorAll("details")) each.open = true'),
  ],
])('extreme values: everything has its place, at every width: %s', async (_, view, prepare) => {
  const scenes = () => [extremeOf(sceneOf('busy')), sceneOf('idle')]
  expect(await misplacedIn({ name: view, scenes, hash: `#/${queue}/${view}`, ...(prepare && { prepare }) })).toEqual([])
})
