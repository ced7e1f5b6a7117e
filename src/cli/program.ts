/**
 * How is a command line read? By commander, from the commands as data; its errors become one line and exit code 2.
 */
import { Argument, CommanderError, Option, Command as Program } from 'commander'
import { type Command, defaultOf, type Flag, variableOf } from './command.ts'
import { commands } from './commands.ts'
import { Exit, usage } from './fault.ts'
import { readValues } from './values.ts'
import { version } from './version.ts'

/**
 * Runs what the arguments say.
 * @param argv without the program and its file
 * @returns the exit code
 * @throws {Fault}
 */
export async function runProgram(argv: readonly string[]): Promise<number> {
  // Behind `--` is somebody else's command line.
  const at = argv.indexOf('--')
  const own = at < 0 ? argv : argv.slice(0, at)
  const rest = at < 0 ? undefined : argv.slice(at + 1)
  let exitCode = 0
  const program = programOf(commands, async (command, path, args, given) => {
    if (rest !== undefined && command.rest === undefined) throw usage(`${path} takes nothing behind --`)
    const { values, said } = readValues(command, path, given)
    exitCode = (await command.run(values, { args, rest, isGiven: (name) => said.has(name) })) ?? 0
  })
  if (own.length === 0) {
    program.outputHelp({ error: true })
    return Exit.USAGE
  }
  try {
    await program.parseAsync(own, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return 0
    // The help of a group is shown where none of its commands was named.
    if (error.code === 'commander.help') return Exit.USAGE
    throw usage(sentence(error, helpOf(own)))
  }
  return exitCode
}

type Run = (command: Command, path: string, args: readonly string[], given: Record<string, unknown>) => Promise<void>

function programOf(all: readonly Command[], run: Run): Program {
  const program = new Program('triage-queue')
  program
    .description('A priority queue in front of a function, a command or a service.')
    .version(version(), '-V, --version', 'the version')
    .helpOption('-h, --help', 'how it is used')
    .helpCommand('help [command]', 'how a command is used')
    .exitOverride()
    .configureOutput({ outputError: () => {}, getErrHelpWidth: helpWidth, getOutHelpWidth: helpWidth })
    .addHelpText('after', "\n'triage-queue COMMAND --help' has examples. docs/cli.md is the same as a page.")
  const groups = new Map<string, Program>()
  for (const command of all) {
    const words = command.name.split(' ')
    const parent = words.length === 1 ? program : groupOf(program, groups, words[0] as string)
    added(parent, command, run)
  }
  return program
}

const groupSummaries: { readonly [name: string]: string } = {
  requests: 'Shows the requests of a service, cancels them, or gives dead ones another life; or moves those in a file.',
}

function groupOf(program: Program, groups: Map<string, Program>, name: string): Program {
  const known = groups.get(name)
  if (known !== undefined) return known
  const group = program
    .command(name)
    .description(groupSummaries[name] as string)
    .helpCommand(false)
  group.helpOption('-h, --help', 'how it is used')
  groups.set(name, group)
  return group
}

function added(parent: Program, command: Command, run: Run): void {
  const { name, summary, about, args, flags, examples } = command
  const own = parent
    .command(name.split(' ').at(-1) as string)
    .description(`${summary}${about === '' ? '' : `\n\n${about}`}`)
  own.summary(summary).helpOption('-h, --help', 'how it is used')
  if (command.rest !== undefined) own.usage(`[options] ${args.map((arg) => arg.name).join(' ')} [${command.rest}]`)
  for (const arg of args) own.addArgument(new Argument(arg.name, arg.what))
  for (const flag of Object.values(flags)) {
    const made = new Option(flag.flags, withDefault(flag))
    if (flag.isMany === true) made.argParser((text: string, before: unknown) => [...((before as string[]) ?? []), text])
    own.addOption(made)
  }
  own.addOption(new Option('--config <file>', 'a JSON file with options: { "serve": { "workers": 8 } }'))
  own.addHelpText('after', helpTail(command, examples))
  own.action(async (...given: unknown[]) => {
    const options = own.opts<Record<string, unknown>>()
    await run(
      command,
      name,
      (given.slice(0, args.length) as (string | string[] | undefined)[]).flat().filter(isText),
      options,
    )
  })
}

function helpTail(command: Command, examples: Command['examples']): string {
  const shown = examples.map(([line, what]) => `  ${what}\n    $ ${line}`).join('\n')
  const [first] = Object.values(command.flags).filter((flag) => flag.isLocal !== true)
  const variable =
    first === undefined ? '' : `\n\nOptions may also come from the environment (${variableOf(first)} …) or a file.`
  return `\nExamples:\n${shown}${variable}`
}

function withDefault(flag: Flag<unknown>): string {
  const shown = defaultOf(flag)
  return shown === undefined || /\(default/.test(flag.what) ? flag.what : `${flag.what} (default ${shown})`
}

function isText(value: string | undefined): value is string {
  return value !== undefined
}

function helpWidth(): number {
  return Math.min(process.stdout.columns || 80, 100)
}

/** `error: unknown option '--prot'\n(Did you mean --port?)` in one line, and where there is help. */
function sentence({ message }: CommanderError, help: string): string {
  const [first = '', ...more] = message.replace(/^error: /, '').split('\n')
  const said = [first, ...more].join(' ').trim()
  return `${said.charAt(0).toUpperCase()}${said.slice(1)}; see ${help}`
}

function helpOf(argv: readonly string[]): string {
  const words = argv.slice(0, 2)
  const known = commands.find(({ name }) => name === words.join(' ')) ?? commands.find(({ name }) => name === words[0])
  return known === undefined ? 'triage-queue --help' : `triage-queue ${known.name} --help`
}
