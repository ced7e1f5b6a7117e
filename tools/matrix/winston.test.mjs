import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import test from 'node:test'
import { QueuedExecutor } from 'triage-queue'
import { logTo } from 'triage-queue/log'
import winston from 'winston'

test('a logger of winston with a level `fatal`, and a child of it, are given the message first', async () => {
  const lines = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(chunk))
      done()
    },
  })
  const logger = winston.createLogger({
    levels: { fatal: 0, error: 1, warn: 2, info: 3, debug: 4 },
    level: 'debug',
    transports: [new winston.transports.Stream({ stream })],
  })
  for (const each of [logger, logger.child({ child: true })]) {
    const queue = new QueuedExecutor(
      () => {
        throw new Error('mine')
      },
      { name: 'logged' },
    )
    const silence = logTo(queue, each)
    await assert.rejects(queue.execute(1))
    silence()
  }
  assert.deepEqual(
    lines.map(({ message, queue, event, child }) => [typeof message, queue, event, child]),
    [
      ['string', 'logged', 'failed', undefined],
      ['string', 'logged', 'failed', true],
    ],
  )
})
