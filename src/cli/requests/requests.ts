/**
 * `requests`: what a service has, one by one: to be listed, looked at, cancelled, or given another life.
 */
import type { RequestView } from '../../index.ts'
import { type Answer, Client, clientFlags } from '../client.ts'
import { type Call, type Command, defineCommand, option, optional, toggle, type Values } from '../command.ts'
import { cannot, Exit, usage } from '../fault.ts'
import { columnsOf, painter, print, printJson, say } from '../output.ts'
import { choice, integer, text } from '../parse.ts'
import { tableLines } from '../table.ts'
import { count, duration, oneLine, shellWord } from '../words.ts'
import { move } from './move.ts'

const MAX_PER_PAGE = 200
const states = [
  'live',
  'ended',
  'waiting',
  'running',
  'retrying',
  'completed',
  'failed',
  'expired',
  'cancelled',
  'shed',
  'dead',
] as const

const listFlags = {
  ...clientFlags,
  state: optional('--state <state>', `only these: ${states.join(', ')}`, choice(...states)),
  priority: optional('--priority <priority>', 'only those of this priority', choice('urgent', 'high', 'normal', 'low')),
  id: optional('--id <text>', 'only those whose id begins with it', text),
  error: optional('--error <code>', 'only those that ended with an error of this code or name', text),
  limit: option('-n, --limit <n>', 'at most so many', integer(1, 1_000_000), 50),
  json: toggle('--json', 'a line of JSON for each'),
}

const list = defineCommand({
  name: 'requests ls',
  summary: 'Lists requests, the youngest first: those that live, then those that have ended.',
  about: '',
  args: [],
  flags: listFlags,
  examples: [
    ['triage-queue requests ls --state dead', 'what has failed for good'],
    ['triage-queue requests ls --state running --json | jq -r .id', 'the ids of what runs'],
  ],
  run: async (chosen: Values<typeof listFlags>) => {
    const { client, path } = await found(chosen)
    const query = new URLSearchParams()
    for (const name of ['state', 'priority', 'id', 'error'] as const) {
      const value = chosen[name]
      if (value !== undefined) query.set(name, value)
    }
    const rows: RequestView[] = []
    let counts: Counts = {}
    let cursor: string | null = ''
    while (cursor !== null && rows.length < chosen.limit) {
      query.set('limit', `${Math.min(chosen.limit - rows.length, MAX_PER_PAGE)}`)
      if (cursor !== '') query.set('cursor', cursor)
      const { body } = required(await client.ask('GET', `${path}?${query}`), client)
      const page = body as Page
      for (const each of page.requests) rows.push(each)
      cursor = page.cursor
      counts = page.counts ?? {}
    }
    show(rows, chosen.json)
    const more = cursor === null || chosen.json ? undefined : howManyMore(rows.length, chosen, counts)
    if (more !== undefined) say(`triage-queue: ${more}`)
    return Exit.OK
  },
})

/** How many there are in each state. */
type Counts = { readonly [state: string]: number }

interface Page {
  readonly requests: readonly RequestView[]
  readonly counts?: Counts
  readonly cursor: string | null
}

const statesIn: { readonly [state: string]: readonly string[] } = {
  live: ['waiting', 'running', 'retrying'],
  ended: ['completed', 'dead', 'expired', 'cancelled', 'shed'],
}

/** Undefined: there are none. */
function howManyMore(
  shown: number,
  { state, priority, id, error }: Values<typeof listFlags>,
  counts: Counts,
): string | undefined {
  const every = state === undefined ? Object.values(statesIn).flat() : (statesIn[state] ?? [state])
  const all = every.reduce((sum, each) => sum + (counts[each] ?? 0), 0)
  // Nobody has counted those that are of a priority, or have an error.
  if (priority !== undefined || id !== undefined || error !== undefined) {
    return `${count(shown)}, and there may be more: -n ${Math.max(shown * 4, MAX_PER_PAGE)}`
  }
  return all > shown ? `${count(shown)} of ${count(all)}; more with -n ${all}` : undefined
}

function show(rows: readonly RequestView[], asJson: boolean): void {
  if (asJson) {
    for (const row of rows) printJson(row)
    return
  }
  if (rows.length === 0) {
    say('triage-queue: there are none')
    return
  }
  const paint = painter(process.stdout)
  const hasKey = rows.some(({ key }) => key !== undefined)
  const cells = rows.map(({ id, state, priority, key = '–', attempts, waitMs, runMs, error }) => [
    ...[id, state, priority, ...(hasKey ? [oneLine(key.slice(0, 40))] : []), `${attempts}`],
    ...[waitMs === undefined ? '–' : duration(waitMs), runMs === undefined ? '–' : duration(runMs)],
    error?.code ?? error?.name ?? '',
  ])
  const head = ['id', 'state', 'priority', ...(hasKey ? ['key'] : []), 'attempts', 'waited', 'ran', 'error']
  const dropped = hasKey ? [4, 6, 5, 7, 3, 2] : [3, 5, 4, 6, 2]
  for (const [i, line] of tableLines([head, ...cells], columnsOf(process.stdout), dropped).entries()) {
    print(i === 0 ? paint('dim', line) : line)
  }
}

const showFlags = {
  ...clientFlags,
  payload: toggle('--payload', 'with what was submitted: that is for operators, and is audited'),
  json: toggle('--json', 'in one line'),
}

const showOne = defineCommand({
  name: 'requests show',
  summary: 'Shows a request.',
  about: '',
  args: [{ name: '<id>', what: 'its id, or the key that it was given' }],
  flags: showFlags,
  examples: [['triage-queue requests show invoice-7 --payload', 'with what was submitted']],
  run: async (chosen: Values<typeof showFlags>, { args }: Call) => {
    const { client, path } = await found(chosen)
    const id = args[0] as string
    const query = chosen.payload ? '?include=payload' : ''
    const { body } = required(await client.ask('GET', `${path}/${encodeURIComponent(id)}${query}`), client, id)
    if (chosen.json) printJson(body as object)
    else print(JSON.stringify(body, null, 2))
    if (chosen.payload && !('payload' in (body as object))) {
      say(`triage-queue: ${shellWord(id)} has no payload: one is kept until its request has completed`)
    }
    return Exit.OK
  },
})

const changeFlags = { ...clientFlags, json: toggle('--json', 'a line of JSON for each') }

function change(verb: 'cancel' | 'requeue', summary: string, example: readonly [string, string]): Command {
  return defineCommand({
    name: `requests ${verb}`,
    summary,
    about:
      'The ids stand on the command line, or in lines of stdin where that is -. It ends with 1 when it was not done for each.',
    args: [{ name: '<id...>', what: 'the ids, or the keys that they were given; -: from stdin' }],
    flags: changeFlags,
    examples: [example],
    run: async (chosen: Values<typeof changeFlags>, { args }: Call) => {
      const { client, path } = await found(chosen)
      const ids = args.length === 1 && args[0] === '-' ? await idsOfStdin() : args
      if (ids.length === 0) throw usage('There are no ids')
      let failed = 0
      for (const id of ids) {
        const why = await changed(client, `${path}/${encodeURIComponent(id)}`, verb)
        if (why !== undefined) failed++
        if (chosen.json) printJson({ id, ok: why === undefined, ...(why !== undefined && { why }) })
        else if (why === undefined) print(`${id} ${verb === 'cancel' ? 'cancelled' : 'requeued'}`)
        else say(`triage-queue: ${shellWord(id)}: ${why}`)
      }
      return failed > 0 ? Exit.FAILED : Exit.OK
    },
  })
}

/** @returns why it was not done; undefined: it was */
async function changed(client: Client, path: string, verb: 'cancel' | 'requeue'): Promise<string | undefined> {
  const headers: Record<string, string> = {}
  if (verb === 'requeue') {
    // Of the life that is there now: another one would be another request.
    const seen = await client.ask('GET', path)
    if (seen.status !== 200) return whyOf(seen)
    headers['if-match'] = `"${(seen.body as RequestView).generation}"`
  }
  const answer = await client.ask('POST', `${path}/${verb}`, {}, headers)
  return answer.status === 200 ? undefined : whyOf(answer)
}

function whyOf({ status, body }: Answer): string {
  const { code, detail, title } = (body ?? {}) as { code?: string; detail?: string; title?: string }
  const known: { readonly [code: string]: string } = {
    NOT_FOUND: 'there is no such request, or it is not kept any more',
    ENDED: 'it has ended already',
    NOT_DEAD: 'it is no dead letter',
  }
  return known[code ?? ''] ?? detail ?? title ?? `HTTP ${status}`
}

function required(answer: Answer, client: Client, id?: string): Answer {
  if (answer.status === 200) return answer
  throw cannot(`${id ?? client.base}: ${whyOf(answer)}`)
}

interface Where {
  readonly url: URL | undefined
  readonly tokenFile: string | undefined
  readonly queue: string | undefined
}

async function found({ url, tokenFile, queue }: Where): Promise<{ readonly client: Client; readonly path: string }> {
  const client = new Client(url, tokenFile)
  return { client, path: `/v1/queues/${encodeURIComponent(await client.queue(queue))}/requests` }
}

async function idsOfStdin(): Promise<readonly string[]> {
  let content = ''
  for await (const chunk of process.stdin) content += chunk
  return content
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

export const requests: readonly Command[] = [
  list,
  showOne,
  change('cancel', 'Cancels requests that live.', ['triage-queue requests cancel invoice-7 invoice-8', 'two of them']),
  change('requeue', 'Gives dead letters another life.', [
    'triage-queue requests ls --state dead --json | jq -r .id | triage-queue requests requeue -',
    'all that have failed for good',
  ]),
  move,
]
