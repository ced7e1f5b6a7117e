/**
 * Who shares a metric? The executors that are on one registry under one prefix.
 *
 * The registry itself is the only book: whoever has cleared it has let go of all, and a group that is found there is
 * live. Two copies of this package don't know each other's metrics, and find their names taken.
 */
import { OptionsError } from '../core/errors.ts'
import { families } from './families.ts'
import type { Member } from './member.ts'
import { Metric } from './metric.ts'
import type { MetricsRegistry } from './options.ts'

export class Group {
  readonly registry: MetricsRegistry
  readonly prefix: string
  readonly members = new Set<Member>()
  readonly #metrics: readonly Metric[]

  /**
   * The group of a registry and a prefix. A metric that somebody has removed from it stays away until all are gone.
   * @throws {OptionsError} when another metric has one of the names
   */
  static on(registry: MetricsRegistry, prefix: string): Group {
    const present = families.map(({ name }) => registry.getSingleMetric(prefix + name))
    for (const metric of present) {
      const group = metric instanceof Metric ? metric.group : undefined
      // One that came here by `Registry.merge` belongs to another registry.
      if (group instanceof Group && group.registry === registry && group.prefix === prefix) return group
    }
    const taken = present.findIndex((metric) => metric !== undefined)
    if (taken < 0) return new Group(registry, prefix)
    const name = prefix + families[taken]?.name
    throw new OptionsError('prefix', `one that no other metric of the registry has: ${name} is taken`, prefix)
  }

  private constructor(registry: MetricsRegistry, prefix: string) {
    this.registry = registry
    this.prefix = prefix
    this.#metrics = families.map((family, index) => new Metric(this, family, index))
  }

  /** @throws {OptionsError} when it has the labels of another */
  add(member: Member): void {
    for (const { identity } of this.members) if (identity === member.identity) member.refuse()
    if (this.members.size === 0) for (const metric of this.#metrics) this.registry.registerMetric(metric)
    this.members.add(member)
  }

  /** The last one takes the metrics along. */
  remove(member: Member): void {
    if (!this.members.delete(member) || this.members.size > 0) return
    for (const metric of this.#metrics) {
      if (this.registry.getSingleMetric(metric.name) === metric) this.registry.removeSingleMetric(metric.name)
    }
  }
}
