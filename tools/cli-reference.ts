/**
 * Writes `docs/cli.md` from the commands themselves: `node tools/cli-reference.ts`. A test says when that is due.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, defaultOf, variableOf } from '../src/cli/command.ts'
import { commands } from '../src/cli/commands.ts'

const head = `# \`triage-queue\`: the command line

<!-- Written by tools/cli-reference.ts from the commands in src/cli. -->

\`npx triage-queue\` needs nothing but the package: no optional peer, no server beside it.

| command | |
|---|---|
${commands.map(({ name, summary }) => `| [\`${name}\`](#${anchorOf(name)}) | ${summary} |`).join('\n')}

- **stdout is data, stderr all that is said about it.** With \`--json\` each line of stdout is an object with \`"v": 1\`. Where there is
  no terminal, and with \`NO_COLOR\`, no escape byte is written. A pipe that is closed (\`… | head\`) is quiet.
- **Options** come from the command line, else from the environment (\`--max-queue-size\` is \`TRIAGE_CLI_MAX_QUEUE_SIZE\`), else from a
  JSON file (\`--config\`, or \`TRIAGE_CLI_CONFIG\`), which has those of each command by their long names:
  \`{ "serve": { "workers": 8, "db": "requests.db" } }\`. The token of a service is \`TRIAGE_CLI_TOKEN\`,
  its address \`TRIAGE_CLI_URL\`.
- **Times** have a unit: \`250ms\`, \`3.5s\`, \`2m\`. Sizes, too: \`64kB\`, \`512MB\`, \`2GB\`.

| exit code | it means |
|---|---|
| 0 | all is done |
| 1 | some of the work has failed, or was left undone; stdout could not be written |
| 2 | the command line, or what it names, can't be understood |
| 3 | something can't be opened, loaded or connected to |
| 99 | a gate of \`load\` does not hold or has no samples; what \`size\` was asked about does not suffice |
| 130, 143, 129 | SIGINT, SIGTERM or SIGHUP has cut it short |
`

/** The page as it should be. */
export function cliPage(): string {
  return `${[head, ...commands.map(sectionOf)].join('\n')}`
}

function anchorOf(name: string): string {
  return `triage-queue-${name.replaceAll(' ', '-')}`
}

function sectionOf(command: Command): string {
  const { name, summary, about, args, rest, flags, examples } = command
  const words = [
    'triage-queue',
    name,
    '[options]',
    ...args.map((arg) => arg.name),
    ...(rest === undefined ? [] : [`[${rest}]`]),
  ]
  const isNamed = (text: string): string => text.replaceAll('|', '\\|')
  const rows = Object.values(flags).map((flag) => {
    const from = flag.isLocal === true ? '' : `\`${variableOf(flag)}\``
    const value = defaultOf(flag)
    return `| \`${isNamed(flag.flags)}\` | ${isNamed(flag.what)} | ${value === undefined ? '' : `\`${value}\``} | ${from} |`
  })
  const parts = [
    `## triage-queue ${name}`,
    summary,
    ...(about === '' ? [] : [about]),
    `\`\`\`text\n${words.join(' ')}\n\`\`\``,
    ...(args.length === 0 ? [] : [args.map((arg) => `- \`${arg.name}\`: ${arg.what}`).join('\n')]),
    ...(rows.length === 0 ? [] : [`| option | | default | variable |\n|---|---|---|---|\n${rows.join('\n')}`]),
    `\`\`\`sh\n${examples.map(([line, what]) => `# ${what}\n${line}`).join('\n\n')}\n\`\`\``,
  ]
  return `${parts.join('\n\n')}\n`
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '../docs/cli.md'), cliPage())
