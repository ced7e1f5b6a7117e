/**
 * Requests that are broken in some way: sound ones of every route, with a few bytes changed, cut, doubled, or parts exchanged.
 */
import { routes } from '../../../src/http/table.ts'
import { tokenOf } from '../support/principals.ts'

const odd = [
  ...[
    '\r',
    '\n',
    '\r\n',
    '\0',
    ' ',
    '\t',
    ':',
    ';',
    ',',
    '/',
    '?',
    '#',
    '%',
    '%00',
    '%2e%2e%2f',
    '..',
    '\\',
    '"',
    "'",
    '{',
    '}',
    '[',
    ']',
  ],
  ...[
    '\u007f',
    '\u0080',
    '\u00ff',
    'é',
    '💥',
    '-1',
    '0',
    '99999999999999999999',
    'NaN',
    'null',
    '__proto__',
    'constructor',
    '<script>',
  ],
  ...[
    'Transfer-Encoding: chunked\r\n',
    'Content-Length: 5\r\n',
    'Content-Length: -1\r\n',
    'Host: evil\r\n',
    'Expect: 100-continue\r\n',
  ],
  ...[
    'Upgrade: websocket\r\nConnection: Upgrade\r\n',
    'Connection: close\r\n',
    'Cookie: triage_session=x\r\n',
    'Prefer: wait=0\r\n',
  ],
  ...[
    'Idempotency-Key: k\r\n',
    'If-Match: "1"\r\n',
    'Last-Event-ID: x.1\r\n',
    'Triage-Options: {"cost":2}\r\n',
    'HTTP/1.0',
    'HTTP/2.0',
  ],
]
const bodies = [
  '{"priority":"low"}',
  '{"concurrency":3}',
  '{"id":1}',
  '[]',
  'null',
  '"x"',
  '{"token":"x"}',
  '',
  '{"a":',
  '{"__proto__":{"x":1}}',
]
const names = ['vera', 'sam', 'olga', 'ada', 'nobody']

/** One, as bytes; the same for the same random numbers. */
export function mutant(random: () => number): Buffer {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
  const route = pick(routes)
  const path = route.path.replace('/:queue', '/llm').replace('/:id', random() < 0.5 ? '/sam~k' : '/x')
  const body = route.method === 'GET' ? '' : pick(bodies)
  const lines = [
    `${route.method} ${path}${random() < 0.2 ? '?limit=3&state=live' : ''} HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${tokenOf(pick(names))}`,
    // What ends the connection, so that each answer has an end.
    ...(random() < 0.9 ? ['Connection: close'] : []),
    ...(body === '' ? [] : ['Content-Type: application/json', `Content-Length: ${body.length}`]),
  ]
  let bytes: Buffer = Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1')
  const changes = Math.floor(random() * 4)
  for (let n = 0; n < changes; n++) bytes = changed(bytes, random, pick)
  return bytes
}

function changed(bytes: Buffer, random: () => number, pick: <T>(from: readonly T[]) => T): Buffer {
  const at = Math.floor(random() * (bytes.length + 1))
  const to = Math.min(at + 1 + Math.floor(random() * 20), bytes.length)
  const head = bytes.subarray(0, at)
  const part = bytes.subarray(at, to)
  const rest = bytes.subarray(to)
  switch (Math.floor(random() * 6)) {
    case 0:
      return Buffer.concat([head, Buffer.from(pick(odd)), part, rest])
    case 1:
      return Buffer.concat([head, rest])
    case 2:
      return Buffer.concat([head, part, part, rest])
    case 3:
      return Buffer.concat([
        head,
        Buffer.from(Array.from(part, (byte) => byte ^ (1 << Math.floor(random() * 8)))),
        rest,
      ])
    case 4: {
      const lineEnd = Math.max(bytes.indexOf('\r\n', at), 0)
      return Buffer.concat([bytes.subarray(0, lineEnd), Buffer.from(`\r\n${pick(odd)}`), bytes.subarray(lineEnd)])
    }
    default:
      return Buffer.concat([head, Buffer.from(pick(odd).repeat(1 + Math.floor(random() * 50))), rest])
  }
}
