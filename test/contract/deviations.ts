/**
 * What each member and option of an executor is in this process, and what becomes of it elsewhere: `docs/redis.md` prints this same table.
 *
 * ✓ is: as it is in this process. What begins with "Refused" is an `OptionsError` when it is given, and what begins with "Not offered" is no
 * member there; a test tries each. Over threads all is as it is in process: the queue is.
 */
export const columns = ['SQLite', 'HTTP', 'Redis'] as const
type Row = readonly [sqlite: string, http: string, redis: string]

const same: Row = ['✓', '✓', '✓']
const ofWorker = 'Of the service'
const refused = (why: string): Row => ['✓', ofWorker, `Refused: ${why}`]
const notOffered = (instead: string): Row => ['✓', 'Not offered', `Not offered: ${instead}`]

/** Of `QueuedExecutor`. */
export const members: { readonly [member: string]: Row } = {
  execute: [
    '✓',
    'Its own errors are a `RunFailedError`',
    'Its own errors are copies: name, message, code, own properties, cause',
  ],
  submit: [
    'Fulfils when it is committed',
    '✓',
    'Fulfils when Redis has acknowledged it: what its `appendfsync` makes of that is yours to choose',
  ],
  offer: notOffered('Redis can not be asked without waiting; `submit()`'),
  map: notOffered(
    '`for await` over your source, `await submit()` in it; a full queue is a `QueueFullError` with `retryAfterMs`',
  ),
  get: ['✓', 'A promise', 'A promise; also of what another machine has submitted'],
  find: ['✓', '✓', '✓'],
  cancel: [
    '✓',
    'A promise; the reason stays here',
    'A promise; wherever it runs. Its callers are told when its worker has aborted its signal, or after 100 ms',
  ],
  position: ['✓', 'Not offered', 'A promise: exact at that moment, over all machines'],
  waiting: notOffered('`settings.store.list({ state: "waiting" })`'),
  clear: notOffered('cancel by id'),
  pause: ['Outlives the process', 'A promise', 'A promise; for all workers, and it outlives them'],
  resume: ['✓', 'A promise', 'A promise'],
  update: notOffered('the options of each process are its own'),
  name: same,
  concurrency: [
    '✓',
    'Not offered',
    'Not offered: `setConcurrency()` is over all machines, `worker.concurrency` of one',
  ],
  setConcurrency: ['✓', 'A promise', 'A promise; over all machines, beside what each worker was made for'],
  ready: ['✓', 'Not offered', 'Whether Redis is there, not whether there is room'],
  flushed: ['✓', 'Not offered', 'Not offered: what was acknowledged is in Redis'],
  requeue: ['✓', 'Not offered', '✓'],
  discard: ['✓', 'Not offered', '✓'],
  idle: [
    '✓',
    'It is asked four times a second',
    'Nothing waits or runs on any machine; it is asked twenty times a second',
  ],
  drain: ['✓', 'Of this client', 'Of what was submitted here'],
  close: ['What waits is parked', 'Of this client', 'What waits is parked: it runs elsewhere'],
  on: [
    '✓',
    'Without payloads, results and messages',
    'Of requests that were submitted, or are waited for, here; `retrying` without its error; not `blocked`, `shed`, `full`, `idle`, `stuck`, `store`, `selfWaiting`, `unrecorded`',
  ],
  once: ['✓', 'Not offered', 'As `on`'],
  removeListener: ['✓', 'Not offered', 'Not offered: `off()`'],
  off: same,
  settings: ['✓', 'Not offered', 'Its `store` alone, which a service reads: `find`, `list`, `stats`, `decode`'],
  health: ['✓', 'Not offered', 'Not offered: `ready()` rejects while Redis is away'],
  getStatus: [
    '✓',
    'A promise',
    'A promise. Sizes are over all machines; `totals`, `wait` and `run` of what was submitted here; what backs off counts as waiting',
  ],
  getHistograms: [
    '✓',
    'Not offered',
    'Not offered: `observed()` has them, and gives both at once for `prometheus()` and `otel()`',
  ],
  getWorkerHealth: ['✓', 'Not offered', 'A promise; of all workers, as they said in the last five seconds'],
}

/** Of a handle. */
export const handleMembers: { readonly [member: string]: Row } = {
  id: same,
  request: ['✓', 'Not offered', '✓'],
  priority: ['✓', 'Not offered', 'As it was last heard'],
  state: ['✓', 'As it was last told', 'As it was last heard: some milliseconds old'],
  metadata: ['✓', 'Not offered', '✓'],
  enqueuedAt: ['✓', 'Not offered', '✓'],
  delayMs: ['✓', 'Not offered', 'Not offered'],
  startedAt: ['✓', 'Not offered', 'Not offered: `find()` has it'],
  endedAt: ['✓', 'Not offered', 'Not offered: `find()` has it'],
  progress: ['✓', 'Not offered', 'Not offered: `find()` has it, and the event `progress`'],
  result: same,
  stored: ['✓', 'Not offered', 'Not offered: a handle is of one that is in Redis'],
  cancel: ['✓', 'A promise', 'A promise'],
  setPriority: ['✓', 'A promise', 'A promise; it goes behind all of that priority'],
  position: ['✓', 'A promise', 'A promise'],
  notRetried: ['✓', 'Not offered', 'Not offered'],
}

/** Of a run. */
export const runMembers: { readonly [member: string]: Row } = {
  id: same,
  priority: same,
  kind: same,
  attempt: [
    'Over all lives of the process',
    '✓',
    'Over all workers; one that was cut off by a deploy counts. Inside an executor that you give: the attempts there',
  ],
  enqueuedAt: same,
  waitMs: ['✓', '✓', 'By the clock of Redis'],
  delayMs: same,
  deadline: ['✓', '✓', 'By the clock of Redis, on that of the worker'],
  remainingMs: same,
  metadata: ['As JSON keeps it', 'As JSON keeps it', 'As JSON keeps it'],
  signal: ['✓', '✓', 'Also when the lock is lost (`LockLostError`), and when the worker closes (`ParkedError`)'],
  holdUntil: ['✓', '✓', 'Keeps the slot of the worker; the answer is sent when the call has settled'],
  progress: ['✓', '✓', 'Told four times a second at most'],
  close: ['✓', '✓', 'Of the executor inside the worker'],
}

/** Of a request. */
export const requestOptions: { readonly [option: string]: Row } = {
  priority: ['✓', '✓', 'Strict. What is given to another worker, since its own was lost, goes before all'],
  id: [
    'An idempotency key while its end is kept',
    'An idempotency key while its end is kept. 1 to 200 visible characters of ASCII, and not `.` or `..`: any other is an `OptionsError`',
    'An idempotency key while its end is kept',
  ],
  kind: ['✓', '✓', 'Refused at once where the executor has `kinds`, else by the worker'],
  onDuplicate: ['✓', '✓', '✓'],
  signal: [
    '✓',
    '✓',
    'Who has joined what another machine has submitted leaves it alone; who has submitted it ends it for those, too',
  ],
  waitTimeoutMs: ['✓', '✓', 'By the clock of Redis. Who waits while Redis is away is told when it is back'],
  runTimeoutMs: ['✓', '✓', 'By the worker'],
  timeoutMs: ['✓', '✓', 'By the clock of Redis. While Redis is away: a `StoreUnavailableError`, `started: "unknown"`'],
  deadline: ['✓', '✓', 'By the clock of Redis'],
  cost: ['✓', '✓', 'Refused above 1: each request takes one slot of a worker'],
  delayMs: ['✓', '✓', 'By the clocks of the workers'],
  startAt: ['✓', '✓', 'By the clocks of the workers'],
  after: ['By id', 'By id', 'Refused: a request waits for no other'],
  metadata: ['As JSON keeps it', 'As JSON keeps it', 'As JSON keeps it'],
}

/** Of an executor. */
export const executorOptions: { readonly [option: string]: Row } = {
  name: ['Stays with the file', ofWorker, 'The first argument; without a colon'],
  concurrency: ['✓', ofWorker, 'Refused: of a worker, or `setConcurrency()` for all'],
  maxQueueSize: ['✓', ofWorker, 'Soft, over all machines: exceeded by as many as are being added at that moment'],
  whenFull: [
    "`'reject'` by default",
    ofWorker,
    "`'reject'` is all there is; the others are refused: nobody may take back what another machine runs already",
  ],
  maxBlocked: refused('nobody is blocked'),
  waitTimeoutMs: ['✓', ofWorker, '✓'],
  runTimeoutMs: ['✓', ofWorker, 'Of what is submitted here; otherwise that of the worker'],
  timeoutMs: ['✓', ofWorker, '✓'],
  onStuck: refused('of the executor that a worker is given'),
  maxReplaced: refused('of the executor that a worker is given'),
  schema: refused('check before you submit, or in the executor that a worker is given'),
  maxChecking: refused('there is no schema'),
  onDuplicate: ['✓', ofWorker, '✓'],
  limit: refused('of the executor that a worker is given'),
  reserve: refused('tiers are strict over all workers; start workers for a queue of its own'),
  lendReserve: refused('there is no reserve'),
  rateLimit: refused('of the executor that a worker is given, for each worker'),
  overload: refused('of the executor that a worker is given'),
  retry: refused('of a worker: on whichever machine is free then'),
  maxRetrying: refused('what is retried waits in Redis, in its tier'),
  order: refused('by priority, then by arrival: that is what BullMQ has'),
  store: refused('Redis is the store'),
  kinds: ['✓', ofWorker, 'Names and time limits; the functions are with the workers'],
  maxAttempts: refused('of a worker, `maxStalled`: 1, so that the second loss of its worker makes a dead letter'),
  results: refused('an answer is told when Redis has it'),
  tellWithinMs: refused('an answer is told when Redis has it'),
  clock: refused('time is that of Redis'),
  onListenerError: ['✓', ofWorker, '✓'],
  random: refused('nothing is drawn'),
  debug: refused('its books are those of one process'),
}
