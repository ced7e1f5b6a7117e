/**
 * Writes `THIRD-PARTY.md`: the licences of what the build bundles. `node tools/third-party.ts`; a test says when that is due.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** The packages that the sources import, and that nobody installs with ours. */
export function bundled(): string[] {
  const { dependencies, peerDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
  const theirs = new Set(Object.keys({ ...dependencies, ...peerDependencies }))
  const names = globSync('src/**/*.{ts,tsx}', { cwd: root }).flatMap((path) =>
    [...read(path).matchAll(/^(?:import|export) [^']*? from '([^'.][^']*)'/gm)].map(([, name]) =>
      packageOf(name as string),
    ),
  )
  const mine = names.filter((name) => !name.startsWith('node:') && !theirs.has(name))
  return [...new Set([...mine, ...mine.flatMap(neededBy)])].sort()
}

/** What a package depends on itself is bundled along. */
function neededBy(name: string): string[] {
  const { dependencies = {} } = JSON.parse(read(`node_modules/${name}/package.json`)) as { dependencies?: object }
  return Object.keys(dependencies)
}

function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/')
}

export function thirdParty(): string {
  const parts = bundled().map((name) => {
    const { version, license } = JSON.parse(read(`node_modules/${name}/package.json`)) as {
      version: string
      license: string
    }
    return `## ${name} ${version}, ${license}\n\n\`\`\`text\n${read(`node_modules/${name}/LICENSE`).trim()}\n\`\`\`\n`
  })
  return `# What is bundled\n\n\`triage-queue/http\` and the program \`triage-queue\` (commander) have these in them, so that nothing else need be installed.\n\n${parts.join('\n')}`
}

if (import.meta.main) writeFileSync(join(root, 'THIRD-PARTY.md'), thirdParty())
