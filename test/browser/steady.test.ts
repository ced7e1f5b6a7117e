/** Does it stay as it is? Nothing moves when numbers grow, long ids break no line, an hour of updates leaves memory as it was. */
import { afterAll, expect, test } from 'vitest'
import { closeBrowser } from './support/browser.ts'
import { open } from './support/opened.ts'
import { type Json, NOW, pointAt, sceneOf } from './support/scenes.ts'

afterAll(closeBrowser)

/** Where everything stands, and what is cut: cells that are to show all of their number. */
const places = `(() => {
  const boxes = {}
  for (const box of document.querySelectorAll('.panel, .verdict .control, table.who th, table.who td, .tabs a, .verdict h1, .bar .control')) {
    const { x, y, width, height } = box.getBoundingClientRect()
    // Another headline is as wide as it is.
    const its = box.localName === 'h1' ? [x, y, height] : [x, y, width, height]
    boxes[[...document.querySelectorAll(box.tagName)].indexOf(box) + box.tagName] = its.map(Math.round).join(' ')
  }
  const cut = [...document.querySelectorAll('table.who td, table.list td.num, .cell .end, .nearest b')]
    .filter((cell) => cell.getClientRects().length > 0 && cell.scrollWidth > Math.ceil(cell.getBoundingClientRect().width) + 1)
    .map((cell) => cell.className + ' ' + cell.textContent)
  return { boxes, cut }
})()`

test.each([1_440, 768, 320])(
  'at %i px no box moves and no number is cut when all of them are as long as they get',
  async (width) => {
    const { page, service } = await open([sceneOf('busy')], '#/llm/running', { width })
    const before = await page.evaluate<Json>(places)
    const crowded = sceneOf('crowded')
    const { status, workers, history } = crowded.snapshot
    // The list below has as many rows as before: it is the numbers that are looked at.
    const counts = { waiting: 10_000, waitingByPriority: { urgent: 2_500, high: 2_500, normal: 2_500, low: 2_500 } }
    const oldest = { urgent: 299_990, high: 299_990, normal: 299_990, low: 299_990 }
    for (const point of history.points.slice(-3)) {
      service.frame('stats', 'llm', {
        status: { ...status, ...counts, oldestWaitMsByPriority: oldest, maxQueueSize: 100_000 },
        workers,
        point: { ...point, at: new Date(Date.parse(point.at) + 60_000).toISOString() },
      })
    }
    await page.locator('table.who td.size', { hasText: '2,500' }).first().waitFor()
    await page.waitForTimeout(200)
    const after = await page.evaluate<Json>(places)
    expect(after.cut).toEqual([])
    const moved = Object.keys(before.boxes).filter((name) => before.boxes[name] !== after.boxes[name])
    // The tabs have counts of their own width; they may grow, within their line.
    expect(
      moved
        .filter((name) => !name.endsWith('A'))
        .map((name) => `${name}: ${before.boxes[name]} → ${after.boxes[name]}`),
    ).toEqual([])
  },
)

test.each([1_440, 768, 320])(
  'at %i px ids of 200 characters are cut in the middle, and rows stay one line high',
  async (width) => {
    const scene = sceneOf('busy')
    const long = (n: number): string => `${n}-${'w'.repeat(190)}-${n}`
    const workers = scene.snapshot.workers.map((slot: Json, n: number) => ({ ...slot, currentRequest: long(n) }))
    const { page } = await open([{ ...scene, snapshot: { ...scene.snapshot, workers } }], '#/llm/running', { width })
    const link = page.locator('table.list a.id').first()
    expect(await link.getAttribute('title')).toBe(long(0))
    expect(await link.textContent()).toMatch(/^0-w+…w+-0$/)
    const heights: number[] = await page.evaluate(
      "[...document.querySelectorAll('table.list tbody tr')].map((row) => Math.round(row.getBoundingClientRect().height))",
    )
    expect(new Set(heights).size).toBe(1)
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0)
  },
)

test('a list that is being read is held, and says how many are newer', async () => {
  const scene = sceneOf('busy')
  let from = 0
  const list = (state: string): Json => {
    const page = scene.list(state)
    return {
      ...page,
      requests: page.requests.map((request: Json, n: number) => ({
        ...request,
        id: `r${from + n}`,
        generation: 100 + from + n,
      })),
    }
  }
  const { page } = await open([{ ...scene, list }], '#/llm/ended', { width: 1_440 })
  const first = page.locator('table.list a.id').first()
  await first.waitFor()
  await page.locator('table.list tbody tr').first().hover()
  from = 7
  await page.getByText('Held while you read: 7 newer').waitFor()
  expect(await first.textContent()).toBe('r0')
  await page.getByRole('button', { name: 'Show them' }).click()
  await expect.poll(() => first.textContent()).toBe('r7')
})

test('an hour of updates, a frame each second, leaves memory as it was', async () => {
  const { page, service, faults } = await open([sceneOf('busy')])
  const { status, workers } = sceneOf('busy').snapshot
  const heap = async (): Promise<number> => {
    await page.evaluate('gc(); gc()')
    return page.evaluate('performance.memory.usedJSHeapSize')
  }
  const nodes = (): Promise<number> => page.evaluate("document.querySelectorAll('*').length")
  let second = 900
  const play = async (seconds: number): Promise<void> => {
    for (const end = second + seconds; second < end; second += 20) {
      for (let n = 0; n < 20; n++) {
        service.now = NOW + (second + n - 900) * 1_000
        const point = pointAt('busy', Math.floor((second + n) / 5) * 5)
        service.frame('stats', 'llm', {
          status: { ...status, waiting: (second + n) % 90 },
          workers: workers.map((slot: Json) => ({ ...slot, runMs: (second * 37 + n) % 900 })),
          point,
        })
        service.frame('resized', 'llm', { from: 12, to: 11 })
      }
      // One picture for each twenty seconds at least.
      await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))')
    }
    await page.locator('.time', { hasText: new Date(service.now).toISOString().slice(11, 19) }).waitFor()
  }
  await play(600)
  const [before, nodesBefore] = [await heap(), await nodes()]
  await play(3_600)
  const [after, nodesAfter] = [await heap(), await nodes()]
  console.log(
    `heap ${(before / 1e6).toFixed(1)} MB → ${(after / 1e6).toFixed(1)} MB, elements ${nodesBefore} → ${nodesAfter}`,
  )
  expect(after - before).toBeLessThan(1_000_000)
  expect(Math.abs(nodesAfter - nodesBefore)).toBeLessThan(20)
  expect(faults).toEqual([])
})

test('sixty changes of everything that is shown leave no element and no listener behind', async () => {
  const { page } = await open([sceneOf('busy')])
  const count = (): Promise<number> => page.evaluate("document.querySelectorAll('canvas').length")
  expect(await count()).toBe(4)
  for (let n = 0; n < 60; n++) {
    await page.evaluate(`location.hash = '#/llm/${['settings', 'waiting', 'request/a', 'dead', 'running'][n % 5]}'`)
  }
  await expect.poll(count).toBe(4)
})

test.each([
  [1_280, 720],
  [1_200, 900],
  [1_024, 768],
  [768, 1_024],
  [390, 844],
  [320, 640],
])('at %i × %i a page begins at its top, and so does the one that is gone to', async (width, height) => {
  const { page } = await open([sceneOf('busy')], '', { width })
  await page.setViewportSize({ width, height })
  await page.reload()
  await page.locator('table.who').waitFor()
  await page.waitForTimeout(300)
  expect(await page.evaluate('[scrollY, document.activeElement.localName]')).toEqual([0, 'body'])
  await page.locator('table.list a.id').first().click()
  await expect.poll(() => page.evaluate('[scrollY, document.activeElement.localName]')).toEqual([0, 'main'])
})

test('a row of a list grows no older than the list: what has left since is not known yet', async () => {
  const { page, service } = await open([sceneOf('busy')], '#/llm/waiting', { width: 1_440 })
  const waited = page.locator('table.list tbody tr').first().locator('td.num').nth(1)
  await waited.waitFor()
  // Held while it is read.
  await page.locator('table.list tbody tr').first().hover()
  const before = await waited.textContent()
  service.now += 60_000
  service.stats()
  await page.locator('.time', { hasText: '03:13:09' }).waitFor()
  expect(await waited.textContent()).toBe(before)
  // Read again, it is as old as it is.
  await page.mouse.move(5, 5)
  await expect.poll(async () => Number(await waited.textContent()), { timeout: 5_000 }).toBeGreaterThan(59)
})

test('as many are said to run as stand in the list, also with one that is stuck', async () => {
  const { page } = await open([sceneOf('overload')])
  const rows = await page.locator('table.list tbody tr').count()
  expect(rows).toBeGreaterThan(3)
  expect(await page.locator('#tab-running .n').textContent()).toBe(String(rows))
})
