/** The code of docs/http-frameworks.md: the examples as they are, which have tests of their own, and two handlers that run here. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
// Inside the project, so that packages are found.
const folder = mkdtempSync(join(root, '.http-frameworks-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const page = readFileSync(join(root, 'docs/http-frameworks.md'), 'utf8')
const fences = [...page.matchAll(/^## (.+?)$.*?^```ts\n(.*?)^```/gms)].map(([, title, code]) => [title, code as string])

test.each([
  ['Express 5', 'examples/express.ts'],
  ['Fastify 5', 'examples/fastify.ts'],
  ['Nest 11', 'examples/nest/main.ts'],
])('%s is %s', (title, file) => {
  const code = readFileSync(join(root, file), 'utf8').replace(/^\/\*\*.*?\*\/\n/s, '')
  expect(fences.find(([of]) => of === title)?.[1]).toBe(code)
})

describe('a handler that is asked three times, the last time while the queue is closed', () => {
  const asks = `const answers: unknown[] = []
    for (const headers of [{ 'triage-priority': 'low' }, { 'triage-priority': 'soon' }, {}]) {
      if (answers.length === 2) await queue.close()
      const answer = await ask(headers as Record<string, string>)
      answers.push([answer.status, answer.headers.get('content-type')?.split(';')[0], await answer.text()])
    }
    console.log(JSON.stringify(answers))`

  test.each([
    [
      'Node’s own server',
      `server.listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
      const { port } = server.address() as { port: number }
      const ask = (headers: Record<string, string>) => fetch(\`http://127.0.0.1:\${port}/a\`, { headers })
      ${asks}
      server.close()`,
      '/a: done',
    ],
    [
      'Handlers of fetch',
      `const ask = (headers: Record<string, string>) => handle(new Request('http://localhost/a', { headers }))
      ${asks}`,
      'http://localhost/a: done',
    ],
  ])('%s', async (title, rest, done) => {
    const [, code] = fences.find(([of]) => of?.replaceAll("'", '’').startsWith(title)) ?? []
    const file = join(folder, `${title.length}.mts`)
    writeFileSync(file, `${code}\n${rest}`)
    const args = ['--import', './test/support/from-source.ts', file]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
    const problem = 'application/problem+json'
    expect(JSON.parse(stdout)).toEqual([
      [200, expect.toBeOneOf([undefined, null, 'text/plain']), done],
      [400, problem, expect.stringContaining('TRIAGE_INVALID_REQUEST')],
      [503, problem, expect.stringContaining('TRIAGE_QUEUE_CLOSED')],
    ])
  })

  test('is sound TypeScript', { timeout: 120_000 }, async () => {
    for (const [i, [, code]] of fences.slice(3).entries()) writeFileSync(join(folder, `typed-${i}.mts`), `${code}`)
    writeFileSync(join(folder, 'tsconfig.json'), '{ "extends": "../tsconfig.json", "include": ["typed-*.mts"] }')
    const tsc = promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { cwd: root })
    expect(await tsc.catch(({ stdout }) => ({ stdout }))).toMatchObject({ stdout: '' })
  })
})
