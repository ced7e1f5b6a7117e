/**
 * Who is tired, has no mouse, another clock, a token that is over, a queue with a strange name, paper: does the page still say what is
 * so, and do what it says?
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { QueuedExecutor } from 'triage-queue'
import { type HttpAppOptions, httpApp, listen } from 'triage-queue/http'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { principals, tokenOf } from '../http/support/principals.ts'
import { closeBrowser, look } from './support/browser.ts'
import { misplaced } from './support/misplaced.ts'
import { open } from './support/opened.ts'
import { type Json, NOW, sceneOf } from './support/scenes.ts'
import { Scripted } from './support/scripted.ts'

afterAll(closeBrowser)

const drawn = 'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))'

async function serveReal(app: Partial<HttpAppOptions>) {
  const queue = new QueuedExecutor<unknown, unknown>(async (request) => request, { name: "it's ours", concurrency: 2 })
  const service = await listen(httpApp({ queues: queue, ...app }), { port: 0 })
  onTestFinished(async () => {
    await service.close()
    await queue.close({ drain: false, graceMs: 0 })
  })
  return { queue, url: service.url }
}

/** The line that the page gives for a shell, and what a shell gets for it. */
async function pasted(url: string, env: Record<string, string>): Promise<{ line: string; answer: string }> {
  const { page } = await look()
  onTestFinished(() => page.context().close())
  await page.goto(url)
  const line = (await page.locator('.empty pre').textContent()) ?? ''
  const { stdout } = await promisify(execFile)('bash', ['-c', line], { env: { PATH: process.env.PATH ?? '', ...env } })
  return { line, answer: stdout }
}

test.each([
  ['with tokens', { auth: { tokens: principals } }, true],
  ['with tokens, and mounted at a path', { auth: { tokens: principals }, basePath: '/queues' }, true],
  ['open to its own machine', { auth: { open: true } }, false],
] as const)(
  'the line that sends one works as it is pasted, and has no token in it: a service %s',
  async (_, app, isClosed) => {
    const { url, queue } = await serveReal(app as Partial<HttpAppOptions>)
    const base = 'basePath' in app ? `${url}${app.basePath}/` : url
    const { line, answer } = await pasted(base, isClosed ? { TRIAGE_CLI_TOKEN: tokenOf('sam') } : {})
    expect(line.includes('$TRIAGE_CLI_TOKEN')).toBe(isClosed)
    expect(line).not.toContain(tokenOf('sam'))
    expect(JSON.parse(answer)).toMatchObject({ prompt: 'Hello' })
    expect(queue.getStatus().totals.completed).toBe(1)
  },
)

test('a session that is over: what is refused says so, and nothing can be changed any more', async () => {
  const { page, service, faults } = await open([sceneOf('busy')])
  await page.getByRole('button', { name: 'operator' }).waitFor()
  service.session = { name: 'anonymous', level: 'viewer' }
  service.answer = (path, _, method) =>
    method === 'POST' && path.endsWith('/pause') ? { status: 401, body: { code: 'UNAUTHORIZED' } } : undefined
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('alert').getByText('Your session is over: log in again.').waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'read-only' }).waitFor()
  expect(await page.getByRole('button', { name: 'Pause' }).isDisabled()).toBe(true)
  expect(faults).toEqual([])
})

test('what is refused before there is anything to confirm is said, too', async () => {
  const paused = sceneOf('busy')
  const { page, service, faults } = await open(
    [{ ...paused, snapshot: { ...paused.snapshot, status: { ...paused.snapshot.status, state: 'paused' } } }],
    '#/llm/dead',
  )
  const refuse = { status: 503, body: { code: 'TRIAGE_STORE_UNAVAILABLE', title: 'The store does not answer' } }
  service.answer = (path, _, method) => (method === 'POST' && path !== '/v1/session' ? refuse : undefined)
  await page.getByRole('button', { name: 'Resume' }).click()
  await page.getByRole('alert').getByText('The store does not answer').waitFor()
  await page.keyboard.press('2')
  await expect.poll(() => page.getByRole('alert').count()).toBe(0)
  await page.keyboard.press('6')
  await page.locator('td.pick input').first().check()
  await page.getByRole('button', { name: 'Requeue 1' }).click()
  await page.getByRole('alert').getByText('The store does not answer').waitFor()
  expect(faults).toEqual([])
})

test('steps that were collected for the slots of one queue are not set at another', async () => {
  const { page } = await open([sceneOf('busy'), sceneOf('busy', 'ocr')])
  await page.getByRole('button', { name: 'One slot more' }).click()
  await page.getByRole('button', { name: 'Set 13 slots' }).waitFor()
  await page.getByLabel('Queue', { exact: true }).selectOption('ocr')
  await expect.poll(() => page.locator('.verdict .slots b').textContent()).toBe('12')
  expect(await page.getByRole('button', { name: /^Set/ }).count()).toBe(0)
})

test('without a mouse: to a list, a row, its request, and back to that list', async () => {
  const { page } = await open([sceneOf('busy')])
  const focused = (): Promise<string> => page.evaluate('document.activeElement.id || document.activeElement.localName')
  await page.keyboard.press('2')
  // The rows of the list before have gone.
  await page.getByRole('columnheader', { name: 'Position' }).waitFor()
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.locator('.subject h1').waitFor()
  await expect.poll(focused).toBe('main')
  await page.keyboard.press('Escape')
  await expect.poll(() => page.getByRole('tab', { selected: true }).textContent()).toContain('Waiting')
  await page.keyboard.press('?')
  await page.getByRole('dialog').waitFor()
  await page.keyboard.press('Escape')
  await expect.poll(() => page.getByRole('dialog').count()).toBe(0)
  // From the beginning, by Tab alone, each stop is seen.
  await page.evaluate('document.activeElement.blur()')
  for (let n = 0; n < 24; n++) {
    await page.keyboard.press('Tab')
    const ring = await page.evaluate<string>(
      `(() => { const at = document.activeElement; const ring = getComputedStyle(at.closest('.find') ?? at); return at === document.body ? 'solid' : ring.outlineStyle })()`,
    )
    expect([n, ring]).toEqual([n, 'solid'])
  }
})

test('another clock: with a browser an hour ahead or behind, all ages are those of the service', async () => {
  const seen: string[] = []
  for (const skew of [0, 3_600_000, -3_600_000]) {
    const service = await Scripted.start(sceneOf('busy'))
    const { page } = await look()
    onTestFinished(async () => {
      await page.context().close()
      await service.close()
    })
    await page.clock.setFixedTime(NOW + skew)
    await page.goto(`${service.url}/#/llm/waiting`)
    await page.locator('table.list a.id').first().waitFor()
    const waited = await page.locator('table.list tbody td.num').allTextContents()
    seen.push([await page.locator('.time').textContent(), ...waited].join(' '))
  }
  expect(seen[0]).toContain('03:12:09 UTC')
  expect(new Set(seen).size).toBe(1)
})

test('a service that takes the connection and says nothing is no connection', async () => {
  const { page, service } = await open([sceneOf('busy')])
  await page.clock.install()
  const hide = (hidden: boolean): Promise<unknown> =>
    page.evaluate(
      `Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`,
    )
  await page.reload()
  await page.locator('.live.is-live').waitFor()
  await hide(true)
  service.isMute = true
  await page.clock.fastForward(3_600_000)
  await hide(false)
  expect(await page.locator('.live').textContent()).toBe('connecting')
  await page.clock.runFor(12_000)
  await page.getByRole('heading', { name: /^Disconnected/ }).waitFor()
  expect(await page.locator('.page.stale').count()).toBe(1)
  service.isMute = false
  await page.clock.runFor(28_000)
  await page.locator('.live.is-live').waitFor()
})

test('an hour in the background: what is shown on coming back is what is so now', async () => {
  const { page, service } = await open([sceneOf('busy')])
  await page.clock.install()
  await page.reload()
  await page.getByRole('heading', { name: 'Busy, keeping up' }).waitFor()
  const hide = (hidden: boolean): Promise<unknown> =>
    page.evaluate(
      `Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`,
    )
  await hide(true)
  await expect.poll(() => service.listeners).toBe(0)
  service.scenes = [sceneOf('overload')]
  await page.clock.fastForward(3_600_000)
  await hide(false)
  await page.clock.runFor(1_000)
  await page.getByRole('heading', { name: /^Overloaded/ }).waitFor()
  expect(service.listeners).toBe(1)
})

test('a queue that is not there any more is named, and the others are one step away', async () => {
  const { page, service } = await open([sceneOf('busy'), sceneOf('busy', 'ocr')], '#/ocr/running')
  await page.getByRole('heading', { name: 'Busy, keeping up' }).waitFor()
  service.cut()
  await page.getByRole('heading', { name: /^Disconnected/ }).waitFor()
  service.scenes = [sceneOf('busy')]
  service.isGone = false
  await page.getByRole('heading', { level: 1, name: 'There is no queue “ocr” here.' }).waitFor()
  const chosen = page.getByLabel('Queue', { exact: true })
  expect(await chosen.locator('option:checked').textContent()).toBe('ocr, not here')
  await chosen.selectOption('llm')
  await page.getByRole('heading', { name: 'Busy, keeping up' }).waitFor()
})

const names = [
  ['in Arabic', 'طلبات العملاء العاجلة من كل الفروع'],
  ['in Hebrew', 'תור־בקשות'],
  ['from right to left by force', '\u202eeuqeu desrever'],
  ['in pictures', '👩‍👩‍👧‍👦🏳️‍🌈'.repeat(12)],
  ['in HTML', '<b>bold</b><script>alert(1)</script>'],
  ['at length', 'a'.repeat(200)],
  ['as a path', '.. / ../%2e%2e#?&'],
] as const

test.each(names)(
  'a queue and requests that are named %s: all is in its place, and no sentence is turned around',
  async (_, name) => {
    const scene = sceneOf('busy', name)
    const workers = scene.snapshot.workers.map((slot: Json) => ({ ...slot, currentRequest: name }))
    const status = { ...scene.snapshot.status, state: 'open' }
    const { page, service, faults } = await open(
      [{ ...scene, snapshot: { ...scene.snapshot, workers, status } }, sceneOf('idle')],
      `#/${encodeURIComponent(name)}/running`,
    )
    for (const width of [1_440, 900, 320]) {
      await page.setViewportSize({ width, height: 900 })
      await page.evaluate(drawn)
      await expect.poll(() => page.evaluate(misplaced)).toEqual([])
    }
    await page.getByRole('button', { name: 'Pause', exact: true }).click()
    const title = (await page.getByRole('dialog').getByRole('heading').textContent()) ?? ''
    if (/[\u0590-\u08ff\u202e]/.test(name)) expect(title).toMatch(/^Pause \u2068.*\u2069\?$/)
    else expect(title).toMatch(/^Pause .*\?$/)
    // The end of the sentence is at the right, whatever is in it.
    const [first, last] = await page.evaluate<[number, number]>(`(() => {
    const text = document.querySelector('dialog h2').firstChild
    const at = (from) => { const range = document.createRange(); range.setStart(text, from); range.setEnd(text, from + 1); return range.getBoundingClientRect() }
    const [a, b] = [at(0), at(text.length - 1)]
    return [a.left + a.top * 10_000, b.left + b.top * 10_000]
  })()`)
    expect(last).toBeGreaterThan(first)
    expect(await page.evaluate(misplaced)).toEqual([])
    expect(service.listeners).toBe(1)
    expect(faults).toEqual([])
  },
)

test('forced colours: what is chosen is seen, and so is what is full, stuck or free', async () => {
  const scene = sceneOf('overload')
  const workers = Array.from({ length: 40 }, (_, slot) => ({ ...scene.snapshot.workers[slot % 12], slot }))
  const { page } = await open([{ ...scene, snapshot: { ...scene.snapshot, workers } }], '#/llm/refused', {
    forcedColors: 'active',
  })
  const style = (selector: string, name: string): Promise<string> =>
    page.evaluate(`getComputedStyle(document.querySelector(${JSON.stringify(selector)}))[${JSON.stringify(name)}]`)
  const differ = async (one: string, other: string, name: string): Promise<void> => {
    expect([one, await style(one, name)]).not.toEqual([one, await style(other, name)])
  }
  await differ('.tabs a[aria-selected=true]', '.tabs a:not([aria-selected=true])', 'borderBottomColor')
  await differ('.head nav a[aria-current]', '.head nav a:not([aria-current])', 'borderBottomColor')
  await differ('.choice [aria-pressed=true]', '.choice [aria-pressed=false]', 'backgroundColor')
  await differ('.squares .stuck', '.squares .free', 'backgroundColor')
  await differ('table.who .share > span', 'table.who .share', 'backgroundColor')
})

test('on paper: dark letters on white, the charts too, and nothing that one can press', async () => {
  const { page } = await open([sceneOf('overload')], '#/llm/refused', { colorScheme: 'dark' })
  await page.evaluate(drawn)
  // How light what is written in the first chart is, on the whole.
  const light = (): Promise<number> =>
    page.evaluate(`(() => {
      const canvas = document.querySelector('canvas')
      const { data } = canvas.getContext('2d').getImageData(canvas.width - 60, 0, 60, canvas.height)
      let sum = 0, n = 0
      for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200 && Math.max(data[at], data[at + 1], data[at + 2]) - Math.min(data[at], data[at + 1], data[at + 2]) < 20) { sum += data[at]; n++ }
      return sum / n
    })()`)
  await expect.poll(light).toBeGreaterThan(128)
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
  await expect.poll(light).toBeLessThan(128)
  expect(await page.evaluate("getComputedStyle(document.querySelector('.panel')).backgroundColor")).toBe(
    'rgb(255, 255, 255)',
  )
  expect(await page.getByRole('button').count()).toBeLessThan(5)
  expect(await page.getByRole('button', { name: 'Pause' }).isVisible()).toBe(false)
  expect(await page.locator('#find').isVisible()).toBe(false)
  expect(await page.evaluate(misplaced)).toEqual([])
})

test('nothing moves by itself, with reduced motion and without', async () => {
  for (const reducedMotion of ['reduce', 'no-preference'] as const) {
    const { page } = await open([sceneOf('busy')], '#/llm/running', { reducedMotion })
    expect(await page.evaluate('document.getAnimations().length')).toBe(0)
  }
})

test('at 200 % everything has its place', async () => {
  const { page } = await open([sceneOf('overload')], '#/llm/refused', {
    viewport: { width: 640, height: 400 },
    deviceScaleFactor: 2,
  })
  await expect.poll(() => page.evaluate(misplaced)).toEqual([])
})

test('with letters half as large again as usual, everything has its place', async () => {
  const { page } = await open([sceneOf('overload')], '#/llm/refused')
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Page.setFontSizes', { fontSizes: { standard: 24, fixed: 20 } })
  await page.reload()
  await page.locator('.live.is-live').waitFor()
  expect(await page.evaluate('getComputedStyle(document.documentElement).fontSize')).toBe('24px')
  for (const width of [1_440, 1_280, 1_200, 900, 768, 600, 480]) {
    await page.setViewportSize({ width, height: 900 })
    await page.evaluate(drawn)
    await expect.poll(async () => [width, await page.evaluate(misplaced)]).toEqual([width, []])
  }
})

test('the table of a chart has what each tier has, not what is drawn on top of others', async () => {
  const { page } = await open([sceneOf('overload')])
  await page.evaluate('for (const each of document.querySelectorAll("details")) each.open = true')
  const lastOf = async (panel: string): Promise<Record<string, string>> => {
    const table = page.getByRole('region', { name: panel }).locator('.as-table table')
    const heads = await table.locator('thead th').allTextContents()
    const cells = await table.locator('tbody tr').last().locator('th, td').allTextContents()
    return Object.fromEntries(heads.map((head, at) => [head, cells[at] as string]))
  }
  const { waitingByPriority, busy, stuck } = sceneOf('overload').snapshot.history.points.at(-1)
  expect(await lastOf('Is the queue growing?')).toMatchObject({
    ...{ URGENT: `${waitingByPriority.urgent}`, LOW: `${waitingByPriority.low}` },
  })
  expect(await lastOf('Slots')).toMatchObject({ busy: `${busy}`, stuck: `${stuck}` })
  expect(Object.keys(await lastOf('Is it keeping up?'))).toEqual(['UTC', 'refused', 'done', 'failed'])
})

test('as many rows as it says, with a slot that is stuck', async () => {
  const { page } = await open([sceneOf('overload')])
  const rows = await page.locator('table.list tbody tr').count()
  expect(await page.locator('.foot').textContent()).toContain(`${rows} of ${rows}, 1 stuck`)
})
