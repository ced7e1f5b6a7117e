/** docs/cli.md is what the commands say; help and completion are made of the same. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { longName } from '../../src/cli/command.ts'
import { commands } from '../../src/cli/commands.ts'
import { cliPage } from '../../tools/cli-reference.ts'
import { run } from '../cli/support/cli.ts'

test('the page is what the commands say: else run node tools/cli-reference.ts', () => {
  expect(readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8')).toBe(cliPage())
})

test('each command has a summary, an example that is one of its own, and options by their own names', () => {
  for (const { name, summary, examples, flags } of commands) {
    expect(summary, name).toMatch(/^[A-Z].*\.$/)
    expect(examples.length, name).toBeGreaterThan(0)
    for (const [line] of examples) expect(line).toContain(`triage-queue ${name}`)
    for (const [key, flag] of Object.entries(flags)) {
      expect(key).toBe(longName(flag).replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase()))
    }
  }
})

test('--help of each command has its options and examples, and goes to stdout', async () => {
  const all = await run(['--help'])
  expect(all).toMatchObject({ code: 0, err: '' })
  await Promise.all(
    commands.map(async ({ name, examples, flags }) => {
      expect(all.out).toContain(` ${name.split(' ')[0]} `)
      const { out, err, code } = await run([...name.split(' '), '--help'])
      expect([err, code]).toEqual(['', 0])
      for (const [line] of examples) expect(out).toContain(`$ ${line}`)
      for (const flag of Object.values(flags)) expect(out).toContain(flag.flags)
    }),
  )
  expect(await run([])).toMatchObject({ code: 2, out: '', err: all.out })
  expect((await run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test('bash completes commands, sub-commands and options from the script', async () => {
  const script = (await run(['completion', 'bash'])).out
  const complete = (...words: string[]): string[] => {
    const line = words.map((word) => `'${word}'`).join(' ')
    const ask = `COMP_WORDS=(triage-queue ${line}); COMP_CWORD=${words.length}; _triage_queue; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout, stderr } = spawnSync('bash', ['-c', `${script}\n${ask}`], { encoding: 'utf8' })
    expect(stderr).toBe('')
    return stdout.split('\n').filter((word) => word !== '')
  }
  expect(complete('s')).toEqual(['serve', 'size'])
  expect(complete('serve', '--max')).toEqual(['--max-queue-size'])
  expect(complete('requests', '')).toEqual(['ls', 'show', 'cancel', 'requeue', 'move'])
  expect(complete('requests', 'move', '--d')).toEqual(['--dry-run'])
  expect(complete('requests', 'ls', '--st')).toEqual(['--state'])
  expect(complete('run', '--', '--st')).toEqual([])
  for (const shell of ['zsh', 'fish']) expect((await run(['completion', shell])).out).toContain('triage-queue')
  expect(await run(['completion', 'tcsh'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('expected a shell of bash, zsh, fish'),
  })
})
