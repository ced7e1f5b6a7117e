/**
 * `run`: a batch from stdin or a file, through a queue.
 */
import { defineCommand } from '../command.ts'
import { Batch } from './batch.ts'
import { flags } from './flags.ts'

export const run = defineCommand({
  name: 'run',
  summary: 'Works through the lines of stdin or of a file: a command for each, or a call of a function.',
  about: [
    [
      'In a command {} is the line, {.} the line without extension, {/} its last part, {#} its number, {1} {2} … its columns; without any',
      'of them the line comes last. There is no shell in between: for one, write sh -c. For a module each line is JSON, and so are the results.',
    ],
    [
      'A line ends with LF or CRLF; one of blanks alone is left out, though it has a number. A line that can be no job has failed: one that is',
      'not UTF-8 or has a NUL byte, since an argument is a text here, or one for a module that is no JSON. What a job writes is printed when it',
      'has ended, byte for byte; with --json, bytes that are not UTF-8 are U+FFFD in stdout, and stdoutBase64 has them as they are.',
    ],
    [
      'A call of a module that takes longer than --timeout is told so by run.signal, and its slot is free for the next line; where it does not',
      'heed that, it goes on until the batch has ended. A job log is written by one run at a time (from Node 22.13 on): another one ends with 3.',
    ],
    [
      'The first SIGINT (Ctrl-C), SIGTERM or SIGHUP takes no more lines, and lets the jobs that run end for --grace. Then, or with the second,',
      'they are ended with all that they have started, and --resume runs them again (the third ends it at once); it ends with 130, 143 or 129. Otherwise it ends with 0 when',
      'each job has succeeded, and with 1 when one has failed, the output could not be written, or the module has called process.exit(0).',
    ],
  ]
    .map((sentences) => sentences.join(' '))
    .join('\n\n'),
  args: [{ name: '[module...]', what: 'a function (request, run) => answer, as for serve' }],
  rest: '-- command {}',
  flags,
  examples: [
    [`seq 1000 | triage-queue run -j 4 -- sh -c 'echo "$1" | sha256sum' _ {}`, 'a thousand commands, four at once'],
    [
      'ls | triage-queue run --joblog log --retries 2 -- gzip -k {}',
      'with a log; the same line with --resume goes on from it',
    ],
    [
      `printf 'low\\ta\\nurgent\\tb\\n' | triage-queue run -j 1 --colsep '\\t' --priority 1 -- echo {2}`,
      'the most urgent lines first',
    ],
    [
      'triage-queue run ./hash.mjs -j 8 --keep-order < requests.ndjson > results.ndjson',
      'a function for each line of JSON',
    ],
  ],
  run: (chosen, call) => new Batch(chosen).run(call),
})
