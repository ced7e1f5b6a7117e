/**
 * Is the page fit for everyone, and safe? axe finds nothing in any state, nothing is loaded from elsewhere, the policy has nothing to
 * keep out, and what comes from outside is shown as text.
 */
import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { pictures } from '../../tools/draw-dashboard.ts'
import { closeBrowser, look } from './support/browser.ts'
import { type Json, NOW, sceneOf } from './support/scenes.ts'
import { Scripted } from './support/scripted.ts'

afterAll(closeBrowser)

async function violations(page: Page): Promise<string[]> {
  // Past the policy, which keeps scripts out that are put into the page.
  await page.evaluate(axe.source)
  const { violations: found } = await page.evaluate<Json>(
    "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })",
  )
  return found.map(
    ({ id, nodes }: Json) =>
      `${id}: ${nodes
        .map(({ html }: Json) => html.slice(0, 160))
        .slice(0, 3)
        .join(' | ')}`,
  )
}

test.each(pictures)(
  '$name: axe finds nothing, light and dark; no width is scrolled sideways; nothing comes from elsewhere, and the policy has kept nothing out',
  async ({ scenes, hash, prepare }) => {
    const service = await Scripted.start(...scenes())
    const { page, asked, faults } = await look()
    onTestFinished(async () => {
      await page.context().close()
      await service.close()
    })
    await page.clock.setFixedTime(NOW)
    await page.goto(`${service.url}/${hash}`)
    await page.locator('h1').first().waitFor()
    await prepare?.(page, service)
    for (const width of [1_440, 1_024, 768, 320]) {
      await page.setViewportSize({ width, height: 900 })
      await page.emulateMedia({ colorScheme: width === 1_440 || width === 768 ? 'light' : 'dark' })
      await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))')
      // Charts take their new size in one of the next frames.
      await expect
        .poll(async () => [width, await page.evaluate('document.documentElement.scrollWidth - innerWidth')])
        .toEqual([width, 0])
      if (width === 1_440 || width === 320) expect([width, await violations(page)]).toEqual([width, []])
    }
    expect(faults).toEqual([])
    expect(asked.filter((url) => !url.startsWith(service.url) && !url.startsWith('data:'))).toEqual([])
  },
)

/** What one would be put into a page by. */
const hostile = `"><img src=x onerror=window.hacked=1><script>window.hacked=1</script>\u202e'${'\u0301'.repeat(20)}&lt;`

/** In each string of what a service says, but for those that the page goes by. */
function poisoned(value: Json, name = ''): Json {
  if (Array.isArray(value)) return value.map((each) => poisoned(each, name))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, poisoned(each, key)]))
  }
  const isFixed = [
    'at',
    'since',
    'state',
    'priority',
    'submittedAt',
    'startedAt',
    'endedAt',
    'from',
    'to',
    'phase',
    'cursor',
  ].includes(name)
  return typeof value === 'string' && !isFixed ? hostile : value
}

test('hostile strings in every field are shown as text', async () => {
  const calm = sceneOf('overload')
  const snapshot = { ...poisoned(calm.snapshot), name: hostile }
  const reasons = { urgent: {}, high: {}, normal: {}, low: { [hostile]: 12 } }
  const service = await Scripted.start({
    name: hostile,
    snapshot: { ...snapshot, status: { ...snapshot.status, rejectedByPriority: reasons } },
    list: (state) => poisoned(calm.list(state)),
    refusals: () => poisoned(calm.refusals()),
  })
  service.session = { name: hostile, level: 'operator' }
  const usual = service.answer
  service.answer = (path, query, method) =>
    path.includes('/requests/')
      ? {
          status: 200,
          body: {
            ...poisoned({
              metadata: { a: 'b' },
              payload: { c: 'd' },
              key: 'k',
              kind: 'l',
              result: 'r',
              error: { name: 'e', code: 'f', message: 'g' },
            }),
            id: hostile,
            queue: hostile,
            state: 'dead',
            priority: 'low',
            generation: 3,
            attempts: 1,
            submittedAt: new Date(NOW).toISOString(),
            endedAt: new Date(NOW).toISOString(),
            timeline: poisoned([
              {
                phase: 'run',
                from: new Date(NOW).toISOString(),
                to: null,
                attempt: 1,
                outcome: 'x',
                error: { name: 'e', code: 'c' },
              },
            ]),
          },
        }
      : usual(path, query, method)
  const { page, faults } = await look()
  onTestFinished(async () => {
    await page.context().close()
    await service.close()
  })
  const queue = encodeURIComponent(hostile)
  await page.goto(service.url)
  for (const where of ['running', 'waiting', 'retrying', 'ended', 'dead', 'refused', 'settings', `request/${queue}`]) {
    await page.goto(`${service.url}/#/${queue}/${where}`)
    await page.locator('h1').first().waitFor()
    await page.waitForTimeout(200)
    if (where.startsWith('request')) {
      await page.getByRole('button', { name: 'Show, redacted' }).click()
      await page.locator('.about pre').waitFor()
    }
    expect([where, await page.evaluate('[...document.querySelectorAll("img, main script, iframe")].length')]).toEqual([
      where,
      0,
    ])
    expect(await page.locator('body').textContent()).toContain('<img src=x onerror=')
    expect([where, (await page.evaluate('document.documentElement.scrollWidth - innerWidth')) as number]).toEqual([
      where,
      expect.any(Number),
    ])
  }
  expect(await page.evaluate('window.hacked')).toBeUndefined()
  expect(faults).toEqual([])
})

test('the page is all there is: a document, a script and a style sheet, none of it inline', async () => {
  const service = await Scripted.start(sceneOf('busy'))
  onTestFinished(() => service.close())
  const text = await (await fetch(service.url)).text()
  expect([...text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, to]) => to?.slice(0, 16))).toEqual(
    ['data:image/svg+xm', '/dashboard.css', '/dashboard.js'].map((to) => to.slice(0, 16)),
  )
  expect(text).not.toMatch(/<style|style=|onclick|<script>/)
})
