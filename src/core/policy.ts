/**
 * What have all policies in common? A name, the option that they belong in, and whether they remember.
 *
 * The mistakes that are made with them are told here: one that was not called, one in the wrong option, and one that is to
 * serve two executors though it remembers what it has seen of the first.
 */
import { hasMethods, hush, isPlain, type OptionRule } from './checks.ts'
import { OptionsError } from './errors.ts'

/** The options that take a policy. */
export type PolicyOption = 'order' | 'limit' | 'retry' | 'rateLimit' | 'overload'

/** What every policy may say of itself. */
export interface Policy {
  /** What `getStatus()`, `describe()` and errors call it. */
  readonly name: string
  /** The option that it belongs in: given in another one, it is refused. Without it, its methods tell. */
  readonly option?: PolicyOption | undefined
  /** True: it remembers what it has seen, so that it serves one executor. Given to a second one, it is refused. */
  readonly remembers?: boolean | undefined
  /** True: it goes by deadlines, and `describe()` warns when requests have none. */
  readonly needsDeadline?: boolean | undefined
  /**
   * What it tells requests apart by: a tenant, a user. It is shown wherever requests are, and decides nothing: the order is asked, or else
   * the first rate that has it. What it throws counts as no answer.
   */
  key?(request: unknown, metadata: unknown): string
}

/** So long a key is shown at most. */
const MAX_KEY = 200

/** By which policy requests are told apart: the order, if it has keys, else the first rate that has. */
export function keyedBy({ order, rateLimits }: { readonly order: Policy; readonly rateLimits: readonly Policy[] }) {
  try {
    return [order, ...rateLimits].find(({ key }) => key)
  } catch {
    return undefined
  }
}

/** What that policy says of a request. */
export function keyOf(policy: Policy | undefined, request: unknown, metadata: unknown): string | undefined {
  try {
    const key: unknown = policy?.key?.(request, metadata)
    if (typeof key === 'string') return key.slice(0, MAX_KEY)
    hush(key)
    return undefined
  } catch {
    return undefined
  }
}

/** By which methods a policy is known that does not say its option: the first that it has. A guard may also have `delayMs`,
 * and a retry policy `holdMs`. */
const kinds: readonly (readonly [option: PolicyOption, ...methods: string[]])[] = [
  ['order', 'rank'],
  ['limit', 'sample'],
  ['overload', 'admit', 'drop', 'tokensInMs'],
  ['retry', 'delayMs'],
  ['overload', 'holdMs'],
]

/** The rule for an option that takes a policy, or a list of them. */
export function policyRule(option: PolicyOption, expected: string, isOne: (value: unknown) => boolean): OptionRule {
  const fits = (value: unknown): boolean => isOne(value) && (saidOption(value) ?? option) === option
  return {
    expected,
    fits: (value) => each(option, value).every(fits),
    hint: (value) =>
      hintFor(
        option,
        each(option, value).find((one) => !fits(one)),
      ),
  }
}

function each(option: PolicyOption, value: unknown): unknown[] {
  return option === 'rateLimit' || option === 'overload' ? [value].flat() : [value]
}

/** Is it an object with a name that may be a guard, and is no policy of another kind? */
export function isGuard(value: unknown): boolean {
  if (!isPlain(value) || typeof value.name !== 'string' || value.name === '') return false
  return !hasMethods(value, 'rank') && !hasMethods(value, 'sample')
}

/** Does it answer as a retry policy does, and is it no guard? */
export function isRetry(value: unknown): boolean {
  return hasMethods(value, 'delayMs') && kindOf(value) === 'retry'
}

function kindOf(value: unknown): PolicyOption | undefined {
  return kinds.find(([, ...methods]) => methods.some((method) => hasMethods(value, method)))?.[0]
}

/** The option that a policy says it belongs in. */
function saidOption(value: unknown): PolicyOption | undefined {
  const said = isPlain(value) ? value.option : undefined
  return said === 'rateLimit' ? said : kinds.find(([option]) => option === said)?.[0]
}

function hintFor(option: PolicyOption, value: unknown): string | undefined {
  if (typeof value === 'function') {
    const name = value.name || 'it'
    return `call ${name}, as in ${option}: ${name}(…)`
  }
  const other = saidOption(value) ?? kindOf(value)
  return other === undefined || other === option ? undefined : `${(value as Policy).name} is for the option '${other}'`
}

/** Whom a policy serves. */
interface Owner {
  readonly name: string
}

/** Those that remember, and whom they serve. */
const served = new WeakMap<object, Owner>()

/**
 * Takes the policies that remember into service, all of them or none.
 * @param policies by the option that they were given in
 * @throws {OptionsError} when one of them serves already
 */
export function takeIntoService(owner: Owner, policies: readonly (readonly [path: string, policy: Policy])[]): void {
  const own = new Set<Policy>()
  for (const [path, policy] of policies) {
    if (policy.remembers !== true) continue
    const other = served.get(policy)
    if (own.has(policy)) throw servesAlready(path, policy, owner)
    if (other !== undefined && other !== owner) throw servesAlready(path, policy, other)
    own.add(policy)
  }
  for (const policy of own) served.set(policy, owner)
}

function servesAlready(path: string, policy: Policy, other: Owner): OptionsError {
  const expected = 'a policy that serves nobody else'
  const why = `${policy.name} remembers what it has seen, so make one for each`
  return new OptionsError(
    path,
    expected,
    policy,
    undefined,
    `Option '${path}': expected ${expected}, got one that serves '${other.name}' already; ${why}`,
  )
}
