/**
 * Do the lines of the README work as they stand, from the packed package alone? Those in "From the shell", on one Node: the service is
 * started, asked by the line of curl that it prints, looked at, and drained.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** The fences of the section. */
function fences(language: string): string[] {
  const section = readme.split('\n## From the shell\n')[1]?.split('\n## ')[0] ?? ''
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text]) => text as string)
}

/** @throws {Error} that says what did not work */
export async function checkProgram(node: string, scratch: string, inherited: NodeJS.ProcessEnv): Promise<string> {
  const shown = fences('js')[0] as string
  if (shown !== readFileSync(join(root, 'examples/cli/hash.mjs'), 'utf8'))
    throw new Error('README: hash.mjs is not examples/cli/hash.mjs')
  writeFileSync(join(scratch, 'hash.mjs'), shown)
  cpSync(join(root, 'test/cli/fixtures/typed.ts'), join(scratch, 'typed.ts'))
  const [serve = '', look = '', batch = '', size = ''] = fences('sh')
  // The lines are those of the README; the port is one that is free here.
  const env = {
    ...inherited,
    PATH: `${dirname(node)}${delimiter}${inherited.PATH}`,
    TRIAGE_CLI_PORT: '0',
    NO_COLOR: '1',
  }
  const service = spawn('sh', ['-c', `exec ${serve.trim()}`], {
    cwd: scratch,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  try {
    const told = await until(service, /submit +(curl .*)\n/)
    const [, curl] = /submit +(curl .*)\n/.exec(told) as unknown as [string, string]
    const [, url] = /page +(\S+)/.exec(told) as unknown as [string, string]
    const answer = sh(curl, scratch, env)
    if (!/^\{"digest":"[0-9a-f]{64}"\}$/.test(answer)) throw new Error(`curl: ${answer}`)
    const looked = sh(look, scratch, { ...env, TRIAGE_CLI_URL: url })
    if (!/1 completed/.test(looked) || !/cli~\S+ +completed/.test(looked))
      throw new Error(`the second terminal: ${looked}`)
    // Of npx, which a Ctrl-C may end itself; its output ends when that of the service does.
    const ended = new Promise((resolve) => service.on('close', (code, signal) => resolve(signal ?? code)))
    // As Ctrl-C does it: to the whole group.
    kill(service, 'SIGINT')
    const code = await ended
    if (code !== 0 && code !== 130 && code !== 'SIGINT') throw new Error(`serve has ended with ${code}`)
  } finally {
    kill(service, 'SIGKILL')
  }
  const digests = sh(batch, scratch, env).trim().split('\n')
  const isDigest = digests.every((line) => /^[0-9a-f]{64} {2}(-|hash\.mjs)$/.test(line))
  const results = readFileSync(join(scratch, 'digests.ndjson'), 'utf8').trim().split('\n')
  if (digests.length !== 1_001 || !isDigest || results.length !== 1_000) throw new Error(`run: ${digests.length} lines`)
  if (!/--workers 4058/.test(sh(size, scratch, env))) throw new Error('size')
  const typed = spawnSync('npx', ['triage-queue', 'run', './typed.ts'], {
    cwd: scratch,
    env,
    input: '1\n',
    encoding: 'utf8',
  })
  const version = sh('node --version', scratch, env).trim()
  if (typed.stdout !== '2\n' && !/does not run: use Node 22.18/.test(typed.stderr))
    throw new Error(`typed.ts: ${typed.stderr}`)
  for (const file of ['digests.ndjson', 'log', 'typed.ts', 'hash.mjs']) spawnSync('rm', ['-f', join(scratch, file)])
  return version
}

/** The whole group, if there still is one. */
function kill({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-(pid as number), signal)
  } catch {
    // It has ended.
  }
}

function sh(script: string, cwd: string, env: NodeJS.ProcessEnv): string {
  const { status, stdout, stderr } = spawnSync('sh', ['-ec', script], { cwd, env, encoding: 'utf8', timeout: 120_000 })
  if (status !== 0) throw new Error(`${script} ended with ${status}\n${stdout}${stderr}`)
  return stdout
}

function until({ stdout }: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let told = ''
    stdout?.on('data', (chunk) => {
      told += chunk
      if (pattern.test(told)) resolve(told)
    })
    stdout?.on('close', () => reject(new Error(`serve has ended: ${told}`)))
  })
}
