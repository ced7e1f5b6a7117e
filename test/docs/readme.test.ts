/** Each TypeScript fence of these pages runs as it stands, and each `// =>` in it is true. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
// Inside the project, so that packages are found.
const folder = mkdtempSync(join(root, '.readme-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function fencesOf(page: string): string[] {
  const markdown = readFileSync(join(root, page), 'utf8')
  return [...markdown.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code as string)
}

/** Turns `expression // => value` into a check, and the package's name into its sources. */
function asProgram(code: string): string {
  const lines = code.split('\n').map((line) => {
    const [, expression, shown] = /^(\S.*?)\s+\/\/ => (.*)$/.exec(line) ?? []
    return expression === undefined ? line : `shows(${expression}, ${JSON.stringify(shown)})`
  })
  return `import { inspect } from 'node:util'
    import { equal } from 'node:assert/strict'
    let checks = 0
    const shows = (value: unknown, shown: string) => { equal(inspect(value), shown); checks++ }
    ${lines.join('\n')}
    console.log(checks)`.replace(/'triage-queue(\/[^']+)?'/g, (_, subpath = '') => `'${root}src${subpath}/index.ts'`)
}

describe.each([
  ['README.md', 5],
  ['docs/policies.md', 5],
  ['docs/durable.md', 3],
  ['docs/sizing.md', 2],
] as const)('%s', (page, least) => {
  const fences = fencesOf(page)

  test('has fences to run', () => {
    expect(fences.length).toBeGreaterThanOrEqual(least)
  })

  test('its fences are sound TypeScript', { timeout: 120_000 }, async () => {
    const typed = join(folder, `${basename(page)}-types`)
    mkdirSync(typed)
    for (const [i, code] of fences.entries()) writeFileSync(join(typed, `${i + 1}.mts`), code)
    writeFileSync(join(typed, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', include: ['*.mts'] }))
    const { stdout } = await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-p', typed, '--listFiles'], {
      cwd: root,
    }).catch(({ stdout, stderr }) => {
      throw new Error(`${stdout}${stderr}`)
    })
    expect(stdout.split('\n').filter((file) => file.startsWith(typed))).toHaveLength(fences.length)
  })

  test.each(fences.map((code, i) => [i + 1, code.split('\n', 1)[0], code] as const))(
    'fence %i: %s',
    async (i, _, code) => {
      const file = join(folder, `${basename(page)}-${i}.mts`)
      writeFileSync(file, asProgram(code))
      // Files that it makes are of its own.
      const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: mkdtempSync(join(folder, 'in-')) })
      const promised = code.match(/\/\/ => /g)?.length ?? 0
      expect(promised).toBeGreaterThan(0)
      expect(stdout.trim()).toBe(String(promised))
    },
  )
})
