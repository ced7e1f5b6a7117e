/**
 * What has happened how often: a simulation that never comes to something says nothing about it.
 */
export class Coverage {
  readonly counts: Map<string, number>

  constructor(counts: Iterable<readonly [string, number]> = []) {
    this.counts = new Map(counts)
  }

  add(what: string): void {
    this.counts.set(what, this.of(what) + 1)
  }

  of = (what: string): number => this.counts.get(what) ?? 0
}
