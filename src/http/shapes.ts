/**
 * What may stand in a path, a query, a header and a body? Each shape once: it is checked by it, and described by it in OpenAPI.
 */
import * as z from 'zod/mini'
import { priorities } from '../core/priority.ts'
import { HttpProblem } from './problem.ts'
import { endedStates } from './recent-ends.ts'

export type Shape = z.ZodMiniType

const priority = z.enum(priorities as readonly ['urgent', 'high', 'normal', 'low'])
const generation = z.int().check(z.minimum(1))
const id = z.string().check(z.minLength(1), z.maxLength(300))
const ms = z.number().check(z.minimum(0), z.maximum(366 * 86_400_000))
const timeLimit = z.number().check(z.gt(0), z.maximum(366 * 86_400_000))

export const queuePath = z.object({ queue: z.string().check(z.maxLength(200)) })
export const requestPath = z.object({ queue: z.string().check(z.maxLength(200)), id })
export const idPath = z.object({ id })

/** `Triage-Options`: what a request may ask for besides what has a header of its own. */
export const submitOptions = z.strictObject({
  kind: z.optional(z.string().check(z.maxLength(200))),
  metadata: z.optional(z.unknown()),
  cost: z.optional(z.int().check(z.minimum(1))),
  delayMs: z.optional(ms),
  startAt: z.optional(z.iso.datetime({ offset: true })),
  after: z.optional(z.array(id).check(z.maxLength(100))),
  waitTimeoutMs: z.optional(timeLimit),
  runTimeoutMs: z.optional(timeLimit),
  timeoutMs: z.optional(timeLimit),
  onDuplicate: z.optional(z.enum(['join', 'join-by-id', 'reject'])),
})

export type SubmitOptions = z.infer<typeof submitOptions>

export const liveStates = ['waiting', 'running', 'retrying'] as const
const listStates = ['live', 'ended', 'held', ...liveStates, ...endedStates] as const

const count = z.string().check(z.regex(/^\d{1,4}$/))

export const listQuery = z.strictObject({
  state: z.optional(z.enum(listStates)),
  priority: z.optional(priority),
  /** The id begins with it. */
  id: z.optional(id),
  /** It ended with an error of this code or name. */
  error: z.optional(z.string().check(z.maxLength(100))),
  /** Of those that wait: the youngest first, or by tier, the oldest first. */
  order: z.optional(z.enum(['youngest', 'next'])),
  cursor: z.optional(z.string().check(z.maxLength(100))),
  limit: z.optional(count),
})

export const refusalsQuery = z.strictObject({
  reason: z.optional(z.string().check(z.maxLength(100))),
  priority: z.optional(priority),
  limit: z.optional(count),
})

export const recordQuery = z.strictObject({ include: z.optional(z.literal('payload')) })

export const eventsQuery = z.strictObject({
  queue: z.optional(z.string().check(z.maxLength(200))),
  /** Only events of these names, besides those of the stream itself. */
  event: z.optional(z.string().check(z.maxLength(400))),
  state: z.optional(z.string().check(z.maxLength(200))),
  priority: z.optional(priority),
  id: z.optional(id),
  lastEventId: z.optional(z.string().check(z.maxLength(60))),
})

export const priorityBody = z.strictObject({ priority })
export const concurrencyBody = z.strictObject({ concurrency: z.int().check(z.minimum(1), z.maximum(1_000_000)) })
export const sessionBody = z.strictObject({ token: z.string().check(z.maxLength(1_000)) })
export const processBody = z.looseObject({ id: z.optional(z.union([z.string(), z.int()])) })
export const anyBody = z.unknown()

export const bulkBody = z.strictObject({
  action: z.enum(['cancel', 'priority', 'requeue', 'delete']),
  requests: z.array(z.strictObject({ id, generation })).check(z.minLength(1), z.maxLength(1_000)),
  priority: z.optional(priority),
  dryRun: z.optional(z.boolean()),
})

export type BulkBody = z.infer<typeof bulkBody>

/** Deeper than any request by design, and far from where what reads and writes JSON runs out of stack. A store takes no more, either. */
const MAX_LEVELS = 500

/** @throws {HttpProblem} 400 for what is no JSON, and for what is nested too deeply */
export function parsedJson(text: string, where: string): unknown {
  if (isTooDeep(text)) throw invalid(where, `expected at most ${MAX_LEVELS} levels`)
  try {
    return JSON.parse(text)
  } catch {
    throw invalid(where, 'expected JSON')
  }
}

function isTooDeep(text: string): boolean {
  let levels = 0
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]
    if (letter === '"') at = endOfString(text, at)
    else if (letter === ']' || letter === '}') levels--
    else if ((letter === '[' || letter === '{') && ++levels > MAX_LEVELS) return true
  }
  return false
}

function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '"') return at
  }
  return text.length
}

function invalid(where: string, message: string): HttpProblem {
  return new HttpProblem(400, 'INVALID', undefined, { issues: [{ in: where, message }] })
}

/** @throws {HttpProblem} 400 with what does not fit, and where */
export function parsed<S extends Shape>(shape: S, value: unknown, where: string): z.output<S> {
  const result = z.safeParse(shape, value)
  if (result.success) return result.data
  const issues = result.error.issues.slice(0, 20).map((issue) => ({
    in: [where, ...issue.path.map((part) => String(part).slice(0, 100))].join('.'),
    message: messageOf(issue),
  }))
  throw new HttpProblem(400, 'INVALID', undefined, { issues })
}

/** As OpenAPI has it. */
export function jsonSchemaOf(shape: Shape): { readonly [key: string]: unknown } {
  const { $schema, ...schema } = z.toJSONSchema(shape, { target: 'draft-2020-12', unrepresentable: 'any', io: 'input' })
  return schema
}

/** Their names, as far as they are words: those may be said again. */
function unknownMembers(keys: readonly string[]): string {
  const words = keys.filter((key) => /^\w{1,40}$/.test(key)).slice(0, 5)
  return words.length === 0 ? 'unknown members' : `unknown members: ${words.join(', ')}`
}

/** In words, since the texts of zod would be 20 kB. Nothing of what was sent is said again. */
function messageOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${issue.expected}`
    case 'invalid_value':
      return `expected one of ${issue.values.map(String).join(', ')}`
    case 'too_small':
      return `expected ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}`
    case 'too_big':
      return `expected at most ${issue.maximum}`
    case 'unrecognized_keys':
      return unknownMembers(issue.keys)
    case 'invalid_format':
      return `expected ${issue.format === 'regex' ? `to match ${issue.pattern}` : issue.format}`
    default:
      return 'not what is expected'
  }
}
