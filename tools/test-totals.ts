/**
 * Prints the totals of a test run on one plain line: `N passed, N failed`, and `, N skipped` if any were.
 *
 *     node tools/test-totals.ts <vitest's JSON report> <exit status of the run>
 */
import { readFileSync } from 'node:fs'

interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: { status: string; assertionResults: { status: string }[] }[]
}

const [file = '', status = '0'] = process.argv.slice(2)
const report = read(file)

let failed = report.numFailedTests
// A file that could not even be loaded has no tests to count, but it has failed.
for (const { status, assertionResults } of report.testResults) {
  if (status === 'failed' && !assertionResults.some((test) => test.status === 'failed')) failed += 1
}
// So has a run that ended badly with all its tests passed: an unhandled error, a crash of the runner.
if (status !== '0' && failed === 0) failed = 1

const skipped = report.numPendingTests + report.numTodoTests
console.log(`${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)

function read(path: string): Report {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    // No report: the runner died before it could write one.
    return { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0, numTodoTests: 0, testResults: [] }
  }
}
