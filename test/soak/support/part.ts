/**
 * One part of the soak, in a process of its own: `part.ts <name> <requests> [leak]`. Prints its progress and, last, its
 * report, a line of JSON each. With `leak` it keeps something of its requests itself, and must be found wanting.
 */
import { collected } from './collected.ts'
import { mixed } from './mixed.ts'
import { narrow } from './narrow.ts'
import { store } from './store.ts'

const parts = { mixed, narrow, collected, store }
const [name, requests, leak] = process.argv.slice(2)

const say = (line: object): void => console.log(JSON.stringify(line))
const report = await parts[name as keyof typeof parts](Number(requests), {
  progress: (done) => say({ done }),
  leaks: leak === 'leak',
})
say({ report })
