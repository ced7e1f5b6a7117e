/**
 * `completion`: what a shell asks to complete a line. Made of the same commands as everything else, so that it knows no other options
 * than there are.
 */
import { type Call, type Command, defineCommand, type Flag } from '../command.ts'
import { Exit, usage } from '../fault.ts'

type Shell = 'bash' | 'zsh' | 'fish'
const shells: readonly string[] = ['bash', 'zsh', 'fish'] satisfies Shell[]

/** @param all asked when it is run: it is one of them itself */
export function completionOf(all: () => readonly Command[]): Command {
  return defineCommand({
    name: 'completion',
    summary: 'Prints what makes a shell complete the commands and options.',
    about: 'For bash, zsh or fish.',
    args: [{ name: '<shell>', what: 'bash, zsh or fish' }],
    flags: {},
    examples: [
      ['source <(triage-queue completion bash)', 'for this bash; the same line in ~/.bashrc for all'],
      ['triage-queue completion zsh > ~/.zfunc/_triage-queue', 'for zsh, where ~/.zfunc is in fpath'],
      ['triage-queue completion fish > ~/.config/fish/completions/triage-queue.fish', 'for fish'],
    ],
    run: async (_chosen, { args }: Call) => {
      const [shell = ''] = args
      if (!shells.includes(shell)) throw usage(`expected a shell of ${shells.join(', ')}, got ${JSON.stringify(shell)}`)
      process.stdout.write(scriptFor(shell as Shell, all()))
      return Exit.OK
    },
  })
}

function scriptFor(shell: Shell, all: readonly Command[]): string {
  return shell === 'fish' ? fish(all) : shell === 'zsh' ? `#compdef triage-queue\n${zshHead}${bash(all)}` : bash(all)
}

/** `-j, --jobs <n>`: `['-j', '--jobs']` */
function namesOf({ flags }: Flag<unknown>): string[] {
  return flags.replace(/ *<.*$/, '').split(/, */)
}

function optionsOf(command: Command): string[] {
  return [...Object.values(command.flags).flatMap(namesOf), '--config', '--help']
}

function groupsOf(all: readonly Command[]): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const { name } of all) {
    const [first = '', second] = name.split(' ')
    groups.set(first, [...(groups.get(first) ?? []), ...(second === undefined ? [] : [second])])
  }
  return groups
}

const zshHead = 'autoload -U +X bashcompinit && bashcompinit\n'

function bash(all: readonly Command[]): string {
  const groups = groupsOf(all)
  const cases = all.map((command) => `    '${command.name}') words='${optionsOf(command).join(' ')}' ;;`)
  const nested = [...groups].filter(([, words]) => words.length > 0)
  return `# Completion of triage-queue.
_triage_queue() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="\${COMP_WORDS[1]}" words='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do [ "\${COMP_WORDS[i]}" = -- ] && return; done
  case "$command" in
    ${nested.map(([name]) => name).join('|')}) [ "$COMP_CWORD" -gt 2 ] && command="$command \${COMP_WORDS[2]}" ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='${[...groups.keys(), 'help'].join(' ')} --help --version'
  else case "$command" in
${nested.map(([name, words]) => `    ${name}) words='${words.join(' ')}' ;;`).join('\n')}
${cases.join('\n')}
  esac; fi
  if [[ "$current" == -* || "$COMP_CWORD" -eq 1 || "$command" =~ ^(${nested.map(([name]) => name).join('|')})$ ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}
# Files where no option begins.
complete -o default -F _triage_queue triage-queue
`
}

function fish(all: readonly Command[]): string {
  const groups = groupsOf(all)
  const lines = ['# Completion of triage-queue.']
  const quoted = (text: string): string => `'${text.replaceAll("'", "\\'")}'`
  for (const [name, words] of groups) {
    const own = all.find((command) => command.name === name)
    const what = own === undefined ? '' : ` -d ${quoted(own.summary)}`
    lines.push(`complete -c triage-queue -n __fish_use_subcommand -a ${name}${what}`)
    for (const word of words) {
      const { summary } = all.find((command) => command.name === `${name} ${word}`) as Command
      const isThere = `__fish_seen_subcommand_from ${name}; and not __fish_seen_subcommand_from ${words.join(' ')}`
      lines.push(`complete -c triage-queue -f -n ${quoted(isThere)} -a ${word} -d ${quoted(summary)}`)
    }
  }
  for (const command of all) {
    const isThere = command.name
      .split(' ')
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join('; and ')
    for (const flag of Object.values(command.flags)) {
      const names = namesOf(flag).map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
      const takes = flag.parse === undefined ? '' : ' -r'
      lines.push(`complete -c triage-queue -n ${quoted(isThere)} ${names.join(' ')}${takes} -d ${quoted(flag.what)}`)
    }
  }
  return `${lines.join('\n')}\n`
}
