/**
 * What may be chosen of a batch.
 */
import { option, optional, toggle, type Values } from '../command.ts'
import { bytes, integer, text, timeLimit, waitTime } from '../parse.ts'
import { halt } from './halt.ts'

export const flags = {
  jobs: optional(
    '-j, --jobs <n>',
    'how many run at once (default: as many as there are processors)',
    integer(1, 100_000),
  ),
  input: optional('-a, --input <file>', 'reads the lines from this file, and not from stdin', text),
  priority: optional(
    '--priority <field>',
    'where the priority stands: the name of a member, or the number of a column (--colsep)',
    text,
  ),
  colsep: optional('--colsep <text>', 'what stands between columns, which are {1}, {2} …', (given) =>
    given.replaceAll('\\t', '\t'),
  ),
  keepOrder: toggle(
    '-k, --keep-order',
    'prints results in the order of the lines, not as they come; what is held back for that is lost if it is killed',
  ),
  retries: option('--retries <n>', 'how often a job that fails is tried again', integer(0, 1_000), 0),
  timeout: optional('--timeout <time>', 'ends a job that takes longer: it has failed', timeLimit),
  grace: option('--grace <time>', 'how long a signal lets the jobs that run go on', waitTime, 10_000),
  halt: optional(
    '--halt <when>',
    "when to stop: never, 'now,fail=1' (ends what runs), 'soon,fail=3' (starts no more)",
    halt,
  ),
  joblog: optional('--joblog <file>', 'a line for each job that has ended, with the columns of GNU parallel', text),
  resume: toggle('--resume', 'goes on from the job log: what stands there is not run again'),
  resumeFailed: toggle('--resume-failed', 'as --resume, and what has failed is run again'),
  window: option(
    '--window <n>',
    'how many lines are read ahead of those that are done: so many can a priority overtake',
    integer(1),
    1_000,
  ),
  maxOutput: option(
    '--max-output <size>',
    'how much a command may write: more, and it has failed (default 64MB)',
    bytes,
    64 * 1024 * 1024,
  ),
  json: toggle('--json', 'a line of JSON for each job that has ended, the failed ones included'),
  quiet: toggle('-q, --quiet', 'says nothing of its own on stderr'),
}

export type Chosen = Values<typeof flags>
