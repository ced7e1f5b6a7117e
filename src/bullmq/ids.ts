/**
 * How is an id written where BullMQ has it? BullMQ refuses ids with a colon and ids that are numbers, and `0` means something else
 * there. So each id is escaped, and begins with a tilde.
 */

/** One unit of UTF-16, so that lone surrogates are told apart, too. */
const unsafe = /[^A-Za-z0-9_.-]/g

/** Any text. */
export function jobIdOf(id: string): string {
  return `~${id.replaceAll(unsafe, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}`
}

/** Undefined: it is no id of ours. */
export function idOf(jobId: string): string | undefined {
  if (!jobId.startsWith('~')) return undefined
  return jobId.slice(1).replaceAll(/%([0-9a-f]{4})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}
