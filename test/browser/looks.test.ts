/** What is easily overlooked in a picture: the one slot that matters is said in full, times stand under each other, nothing is red in vain. */
import type { BrowserContextOptions } from 'playwright-core'
import { afterAll, expect, test } from 'vitest'
import { closeBrowser } from './support/browser.ts'
import { open } from './support/opened.ts'
import { sceneOf, starvedOf } from './support/scenes.ts'

afterAll(closeBrowser)

test.each([1_440, 1_200, 768, 390])('at %i px a slot that is stuck says so, and for how long', async (width) => {
  const { page } = await open([sceneOf('overload')], '#/llm/running', { width })
  const cell = page.locator('.cell.stuck')
  expect(await cell.textContent()).toBe('7× stuck72 s')
  const cut = await page.evaluate(
    "[...document.querySelectorAll('.cell.stuck, .cell.stuck *')].filter((part) => part.scrollWidth > part.clientWidth + 1).length",
  )
  expect(cut).toBe(0)
  const row = page.locator('table.list tbody tr', { hasText: 'doc-4471' })
  expect(await row.locator('em').isVisible()).toBe(true)
  expect(await row.locator('.runs b').isVisible()).toBe(true)
})

test.each([390, 320])('at %i px nothing of the first line stands at the edge', async (width) => {
  const { page } = await open([sceneOf('busy')], '#/llm/running', { width })
  for (const each of ['.head .queue', '.head .badge', '.head .brand'])
    expect((await page.locator(each).boundingBox())?.y).toBeGreaterThanOrEqual(6)
})

test('now is at the same place in each chart, and what a label means is said by more than a colour', async () => {
  const { page } = await open([sceneOf('busy')])
  const widths = await page.evaluate<number[]>(
    "[...document.querySelectorAll('.chart .u-over')].map(({ clientWidth }) => clientWidth)",
  )
  expect(widths).toHaveLength(4)
  expect(new Set(widths).size).toBe(1)
  const labels = await page.evaluate<string[]>('[...labelsOf.values()].flat().map(({ text }) => text)')
  for (const tier of ['urgent', 'high', 'normal', 'low'])
    expect(labels.filter((text) => text.endsWith(` ${tier}`))).toHaveLength(2)
})

test('an idle queue has no red line', async () => {
  const { page } = await open([sceneOf('idle')])
  const red = await page.evaluate(`[...document.querySelectorAll('.chart canvas')].map((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    let n = 0
    for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 100 && data[at] > 140 && data[at + 1] < 90 && data[at + 2] < 90) n++
    return n
  })`)
  expect(red).toEqual([0, 0, 0, 0])
})

test('where there are no keys nothing is said of them', async () => {
  const hints = 'table.who, .hints, .find kbd, .head .key'
  const shown = async (width: number, options?: BrowserContextOptions): Promise<unknown> => {
    const { page } = await open([sceneOf('busy')], '#/llm/running', { width, ...options })
    return page.evaluate(`[...document.querySelectorAll('${hints}')].filter((each) => each.checkVisibility()).length`)
  }
  expect(await shown(1_440)).toBe(4)
  expect(await shown(1_024, { isMobile: true, hasTouch: true })).toBe(1)
})

test.each([1_440, 390])('at %i px a tier of which nothing starts has no waits, and says why', async (width) => {
  const { page } = await open([starvedOf(sceneOf('overload'))], '#/llm/running', { width })
  const row = page.locator('table.who tbody tr', { hasText: 'LOW' })
  expect(await row.locator('.change').textContent()).toBe('none started')
  expect(await row.locator('td.strong').textContent()).toBe('–')
  const labels = await page.evaluate<string[]>('[...labelsOf.values()].flat().map(({ text }) => text)')
  expect(labels).toContain('LOW: none started')
  expect(labels.filter((text) => text.endsWith(' s low'))).toEqual([])
  expect(await page.getByRole('img', { name: /low: none started|low none started/ }).count()).toBe(1)
})

test('why an error has no message is said once, and to whom it would be shown', async () => {
  const { page } = await open([sceneOf('busy')], '#/llm/dead', { width: 1_440 })
  await page.getByText('Messages of errors are not exposed: exposeErrors.').waitFor()
})

test('settings have their times as they stand elsewhere', async () => {
  const { page } = await open([sceneOf('busy')], '#/llm/settings', { width: 1_440 })
  await page.getByText('A request may wait for ever, run 30 s, and take for ever in all.').waitFor()
})
