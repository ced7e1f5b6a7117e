/** What one does with the page, in a real browser and against a real service: watch, find, change, cancel, requeue, pause, resize, log in. */
import type { Page } from 'playwright-core'
import { backoff, QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { type HttpAppOptions, httpApp, type Listening, listen } from 'triage-queue/http'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { principals, tokenOf } from '../http/support/principals.ts'
import { closeBrowser, look } from './support/browser.ts'

afterAll(closeBrowser)

interface Setup {
  readonly queue?: QueuedExecutorOptions<unknown>
  readonly app?: Partial<HttpAppOptions>
  readonly port?: number
}

/** A queue whose runs end when they are told to. */
async function serve({ queue: options, app }: Setup = {}) {
  const ends = new Map<string, (error?: Error) => void>()
  const queue = new QueuedExecutor<unknown, unknown>(
    (request) =>
      new Promise((resolve, reject) => {
        ends.set(String(request), (error) => (error === undefined ? resolve('done') : reject(error)))
      }),
    { name: 'llm', concurrency: 2, maxQueueSize: 100, ...options },
  )
  const make = (port?: number): Promise<Listening> =>
    listen(httpApp({ queues: queue, auth: { tokens: principals }, ...app }), { port: port ?? 0 })
  let service = await make()
  const submit = (id: string, priority: 'urgent' | 'high' | 'normal' | 'low' = 'normal'): Promise<unknown> =>
    queue.execute(id, { id, priority }).catch((error: Error) => error.name)
  onTestFinished(async () => {
    await service.close()
    await queue.close({ drain: false, graceMs: 0 })
  })
  return {
    ...{ queue, ends, submit, url: service.url },
    restart: async () => {
      const { port } = new URL(service.url)
      await service.close()
      return async () => {
        service = await make(Number(port))
      }
    },
  }
}

/** As somebody with a token, or as nobody. */
async function visit(url: string, as?: string, hash = ''): Promise<Page & { faults: string[] }> {
  const { page, faults } = await look()
  onTestFinished(() => page.context().close())
  await page.goto(`${url}/${hash}`)
  if (as !== undefined) {
    await page.getByRole('button', { name: 'read-only' }).click()
    await page.getByLabel('Token').fill(tokenOf(as))
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  }
  await page.locator('.live.is-live').waitFor()
  return Object.assign(page, { faults })
}

const cell = (page: Page, tier: string) => page.locator('table.who tbody tr', { hasText: tier }).locator('td.size')
const tab = (page: Page, name: string) => page.getByRole('tab', { name })

test('watch: what waits, runs and ends is shown as it comes', async () => {
  const { url, submit, ends } = await serve()
  const page = await visit(url)
  await page.getByRole('heading', { name: 'Idle' }).waitFor()
  for (const id of ['a', 'b']) void submit(id)
  await expect.poll(() => ends.size).toBe(2)
  void submit('c')
  void submit('d', 'urgent')
  await expect.poll(() => cell(page, 'NORMAL').textContent()).toBe('1')
  await expect.poll(() => cell(page, 'URGENT').textContent()).toBe('1')
  await page.getByRole('link', { name: 'a', exact: true }).waitFor()
  expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Busy, keeping up')
  await tab(page, 'Waiting').click()
  // As they will start.
  await expect.poll(() => page.locator('table.list tbody a.id').allTextContents()).toEqual(['d', 'c'])
  expect(await page.locator('table.list tbody tr').first().locator('td').first().textContent()).toBe('1')
  ends.get('a')?.()
  await tab(page, 'Ended').click()
  await page.getByRole('cell', { name: 'completed' }).waitFor()
  expect(page.faults).toEqual([])
})

test('find: lists by the beginning of an id, a page by the whole of it', async () => {
  const { url, submit } = await serve({ queue: { concurrency: 1 } })
  for (const id of ['first', 'second', 'third', 'thirteenth']) void submit(id)
  const page = await visit(url, undefined, '#/llm/waiting')
  await page.keyboard.press('/')
  await page.keyboard.type('thi')
  await expect.poll(() => page.locator('table.list tbody a.id').allTextContents()).toEqual(['third', 'thirteenth'])
  await page.keyboard.type('rd')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { level: 1, name: 'third' }).waitFor()
  expect(await page.locator('.subject p').textContent()).toContain('Waiting, position 2')
  await page.keyboard.press('Escape')
  await page.getByRole('heading', { level: 1, name: /keeping up/ }).waitFor()
})

test('a request: where its time went, attempt by attempt, and its payload when it is asked for', async () => {
  const audits: string[] = []
  const { url, submit, ends, queue } = await serve({
    queue: { concurrency: 1, retry: backoff({ baseMs: 200 }) },
    app: { audit: ({ action }) => audits.push(action) },
  })
  void submit('x', 'high')
  await expect.poll(() => ends.has('x')).toBe(true)
  const fail = ends.get('x')
  ends.delete('x')
  fail?.(Object.assign(new Error('no'), { name: 'UpstreamError', code: 'UPSTREAM_503' }))
  if (queue.getStatus().totals.retries === 0) await expect.poll(() => queue.getStatus().totals.retries).toBe(1)
  await expect.poll(() => ends.has('x')).toBe(true)
  const page = await visit(url, 'olga', '#/llm/request/x')
  await page.getByText('UpstreamError · UPSTREAM_503').waitFor()
  const whats = await page.locator('table.list tbody tr td:nth-child(3)').allTextContents()
  expect(whats).toEqual(['Waiting', 'Run 1 failed', 'Backing off', 'Waiting again', 'Run 2'])
  expect(await page.locator('.about').textContent()).toContain('hidden')
  await page.getByRole('button', { name: 'Show, redacted' }).click()
  await page.locator('.about pre', { hasText: '"x"' }).waitFor()
  expect(audits).toContain('payload')
})

test('10,000 wait: each number is whole, and the list goes from page to page as they will start', async () => {
  const { url, submit } = await serve({ queue: { concurrency: 1, maxQueueSize: 20_000 } })
  for (let n = 0; n < 10_001; n++) void submit(`r${n}`, n % 2 === 0 ? 'low' : 'high')
  const page = await visit(url, undefined, '#/llm/waiting')
  await page.locator('table.who .all .size', { hasText: /^10,000$/ }).waitFor()
  const ids = (): Promise<string[]> => page.locator('table.list tbody a.id').allTextContents()
  await expect.poll(async () => (await ids()).slice(0, 2)).toEqual(['r3', 'r5'])
  await page.getByRole('button', { name: 'After' }).click()
  await expect.poll(async () => (await ids())[0]).toBe('r103')
  expect(await ids()).toHaveLength(50)
  await page.getByRole('button', { name: 'Before' }).click()
  await expect.poll(async () => (await ids())[0]).toBe('r3')
  expect(page.faults).toEqual([])
})

test('change priority: another tier, and its place there', async () => {
  const { url, submit, queue } = await serve({ queue: { concurrency: 1 } })
  for (const id of ['a', 'b', 'c']) void submit(id, 'low')
  const page = await visit(url, 'olga', '#/llm/request/c')
  await page.getByRole('button', { name: 'Change tier' }).click()
  await page.getByRole('button', { name: 'URGENT' }).click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.getByText('Waiting, position 1').waitFor()
  expect(queue.get('c')?.priority).toBe('urgent')
})

test('cancel: it asks first, the harmless answer has the focus, and what was refused is said', async () => {
  const { url, submit, queue } = await serve({ queue: { concurrency: 1 } })
  void submit('a')
  const ended = submit('b')
  const page = await visit(url, 'olga', '#/llm/request/b')
  await page.getByRole('button', { name: 'Cancel' }).click()
  await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe('Let it wait')
  await page.keyboard.press('Enter')
  expect(queue.getStatus().waiting).toBe(1)
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByRole('button', { name: 'Cancel it' }).click()
  expect(await ended).toBe('CancelledError')
  await expect.poll(() => page.locator('.subject p').textContent()).toContain('Cancelled')
})

test('what has changed meanwhile is not changed: the refusal stands in the dialog', async () => {
  const { url, submit, queue } = await serve({ queue: { concurrency: 1 } })
  void submit('a')
  void submit('b').catch(() => {})
  const page = await visit(url, 'olga', '#/llm/request/b')
  await page.getByRole('button', { name: 'Cancel' }).click()
  queue.cancel('b')
  await page.getByRole('button', { name: 'Cancel it' }).click()
  await page.getByRole('alert').getByText('It has ended already.').waitFor()
  expect(await page.getByRole('dialog').isVisible()).toBe(true)
})

test('requeue: dead letters that were chosen, after a dry run has said how many', async () => {
  const { url, submit, ends, queue } = await serve({ queue: { concurrency: 3 } })
  for (const id of ['a', 'b', 'c']) void submit(id)
  await expect.poll(() => ends.size).toBe(3)
  for (const id of ['a', 'b', 'c']) ends.get(id)?.(Object.assign(new Error('secret'), { name: 'BoomError' }))
  ends.clear()
  const page = await visit(url, 'olga', '#/llm/dead')
  await page.getByRole('cell', { name: 'BoomError' }).first().waitFor()
  await page.getByLabel('Choose a', { exact: true }).check()
  // By keys: the row before, and chosen.
  await page.keyboard.press('k')
  await page.keyboard.press('x')
  await page.getByRole('button', { name: /^Requeue 2$/ }).click()
  await page.getByRole('heading', { name: 'Requeue 2 dead letters?' }).waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Requeue 2' }).click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await expect.poll(() => queue.getStatus().running).toBe(2)
  await expect.poll(() => page.locator('table.list tbody a.id').count()).toBe(1)
  expect(await page.content()).not.toContain('secret')
})

test('pause and resume: said in words, asked for one way only', async () => {
  const { url, submit, queue } = await serve()
  for (const id of ['a', 'b', 'c']) void submit(id)
  const page = await visit(url, 'olga')
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByText('2 running go on, 1 wait, newcomers are admitted until 100 wait.').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('heading', { name: /^Paused since \d\d:\d\d$/ }).waitFor()
  expect(queue.getStatus().state).toBe('paused')
  await page.getByRole('button', { name: 'Resume' }).click()
  await page.getByRole('heading', { name: 'Busy, keeping up' }).waitFor()
})

test('resize: steps are collected, and set at once', async () => {
  const { url, queue } = await serve()
  const page = await visit(url, 'olga')
  const more = page.getByRole('button', { name: 'One slot more' })
  for (let n = 0; n < 3; n++) await more.click()
  expect(queue.concurrency).toBe(2)
  await page.getByRole('button', { name: 'Set 5 slots' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Set 5 slots' }).click()
  await expect.poll(() => queue.concurrency).toBe(5)
  await page.getByText('0 busy · 5 free · 0 stuck').waitFor()
})

test('a cut is said at once, nothing can be changed meanwhile, and the page comes back by itself', async () => {
  const { url, submit, restart } = await serve()
  const page = await visit(url, 'olga')
  const start = await restart()
  await page.getByRole('heading', { name: /^Disconnected for/ }).waitFor()
  expect(await page.locator('.live').textContent()).toBe('not live')
  expect(await page.getByRole('button', { name: 'Pause' }).isDisabled()).toBe(true)
  await page.getByText('Until then nothing here is news').waitFor()
  expect(await page.locator('.chip.warn').count()).toBeGreaterThan(5)
  void submit('a')
  await start()
  await page.locator('.live.is-live').waitFor()
  await page.getByRole('link', { name: 'a', exact: true }).waitFor()
  // Sessions are in memory: after a restart one is a viewer again, and is told so.
  await page.getByRole('button', { name: 'read-only' }).waitFor()
})

test('read-only: all is shown, nothing can be changed, and it says who could', async () => {
  const { url, submit } = await serve()
  for (const id of ['a', 'b', 'c']) void submit(id)
  const page = await visit(url)
  const pause = page.getByRole('button', { name: 'Pause' })
  await pause.waitFor()
  expect(await pause.isDisabled()).toBe(true)
  expect(await pause.getAttribute('title')).toBe('Needs operator')
  await page.goto(`${url}/#/llm/request/c`)
  expect(await page.getByRole('button', { name: 'Cancel' }).isDisabled()).toBe(true)
  expect(await page.getByRole('button', { name: 'Show, redacted' }).isDisabled()).toBe(true)
})

test('log in and out: a wrong token is said to be one, a right one is in no URL and no script can read it', async () => {
  const { url } = await serve()
  const page = await visit(url)
  await page.getByRole('button', { name: 'read-only' }).click()
  await page.getByLabel('Token').fill('not-a-token-of-ours')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByText('This token is not known here.').waitFor()
  await page.getByLabel('Token').fill(tokenOf('ada'))
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('button', { name: 'admin' }).waitFor()
  expect(page.url()).not.toContain('token')
  expect(await page.evaluate('document.cookie')).toBe('')
  await page.getByRole('button', { name: 'admin' }).click()
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('button', { name: 'read-only' }).waitFor()
})

test('a service that knows nobody asks for a token before it shows anything', async () => {
  const { url, submit } = await serve({ app: { trustProxy: true } })
  void submit('a')
  const { page } = await look({ extraHTTPHeaders: { 'x-forwarded-for': '203.0.113.7' } })
  onTestFinished(() => page.context().close())
  await page.goto(url)
  await page.getByLabel('Token').fill(tokenOf('vera'))
  expect(await page.locator('table').count()).toBe(0)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('link', { name: 'a', exact: true }).waitFor()
})

test('a hidden tab closes its stream, and comes back with what it has missed', async () => {
  const { url, submit } = await serve()
  const page = await visit(url)
  const hide = (hidden: boolean): Promise<unknown> =>
    page.evaluate(
      `Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`,
    )
  const clients = async (): Promise<boolean> => (await page.locator('.live').textContent()) === 'live'
  await hide(true)
  await expect.poll(clients).toBe(false)
  void submit('a')
  await hide(false)
  await page.getByRole('link', { name: 'a', exact: true }).waitFor()
  expect(await clients()).toBe(true)
})

test('several queues: those that need a look first, and each by its name', async () => {
  const { url, queue } = await serve()
  const other = new QueuedExecutor(async () => {}, { name: 'ocr', concurrency: 4 })
  const service = await listen(httpApp({ queues: [other, queue], auth: { tokens: principals } }), { port: 0 })
  onTestFinished(async () => {
    await service.close()
    await other.close()
  })
  queue.pause()
  const page = await visit(service.url)
  await page.getByRole('heading', { name: '1 of 2 queues needs a look' }).waitFor()
  expect(await page.locator('table.queues tbody th').allTextContents()).toEqual(['llm', 'ocr'])
  await page.getByRole('link', { name: 'ocr' }).click()
  await page.getByRole('heading', { name: 'Idle' }).waitFor()
  await page.getByLabel('Queue', { exact: true }).selectOption('llm')
  await page.getByRole('heading', { level: 1, name: 'Paused' }).waitFor()
  expect(url).not.toBe(service.url)
})

test('settings: what describe() says, with its warnings', async () => {
  const { url } = await serve({ queue: { maxQueueSize: 1, concurrency: 4 } })
  const page = await visit(url, undefined, '#/llm/settings')
  await page.getByText("'llm' runs at most 4 requests at once.").waitFor()
})

test('an idle queue: whoever may submit is shown how, and whoever may not is told why', async () => {
  const { url } = await serve()
  const page = await visit(url)
  const empty = page.locator('.empty')
  await empty.getByText('Without a token nobody may submit: it takes one of level submitter.').waitFor()
  expect(await empty.locator('pre').textContent()).toContain('$TRIAGE_CLI_TOKEN')
  const open = await serve({ app: { auth: { open: true } } })
  const other = await visit(open.url)
  await other.locator('.empty pre').waitFor()
  expect(await other.locator('.empty').textContent()).not.toContain('nobody may submit')
  expect(await other.locator('.empty pre').textContent()).not.toContain('TOKEN')
})
