/**
 * How does Prometheus get to know? By metrics that count nothing themselves: they read the executor at each scrape.
 *
 * The engine has counted already, for a few ns an event; an `inc` of prom-client takes 400 ns and an `observe` 740, as
 * much as a whole request. So an executor that is watched is as fast as one that is not.
 */
import { Exemplars } from './exemplars.ts'
import { Group } from './group.ts'
import { Member } from './member.ts'
import {
  type ObservedExecutor,
  type ObservedShards,
  type PrometheusOptions,
  readOptions,
  requireNoRegistry,
} from './options.ts'

/** Takes an executor off its registry: call it, or declare it with `using`. A second time does nothing. */
export interface PrometheusHandle {
  (): void
  [Symbol.dispose](): void
}

/**
 * Puts an executor on a registry of prom-client.
 *
 * ```ts
 * const registry = new Registry()
 * const dispose = prometheus(executor, { registry })
 * response.setHeader('content-type', registry.contentType).end(await registry.metrics())
 * ```
 * Executors may share a registry: each has its series in the same metrics, told apart by the label `queue`, its `name`,
 * and by `labels`. All series are there from the start, with 0; only the reasons of refusals come as they are seen.
 * What is counted is the engine's own, since it was made: `registry.resetMetrics()` resets none of it. After `close()`
 * the last values stay until the handle is called; the metrics go with their last executor.
 *
 * Of `shards()` each shard has its series, with the label `shard`; what one in a thread of its own says is up to a second old.
 *
 * @throws {OptionsError} for bad options, names that another metric has, and labels that another executor has
 */
export function prometheus(executor: ObservedExecutor | ObservedShards, options?: PrometheusOptions): PrometheusHandle {
  requireNoRegistry(options)
  // What was given may be anything.
  const shards = executor as ObservedShards | undefined
  return Array.isArray(shards?.observed) ? ofShards(shards, options) : ofExecutor(executor as ObservedExecutor, options)
}

/** All of them, or none. */
function ofShards({ observed }: ObservedShards, options: PrometheusOptions | undefined): PrometheusHandle {
  const handles: PrometheusHandle[] = []
  const dispose = (): void => {
    for (const handle of handles) handle()
  }
  try {
    for (const { shard, executor } of observed) {
      handles.push(ofExecutor(executor, { ...options, labels: { ...options?.labels, shard } }))
    }
  } catch (error) {
    dispose()
    throw error
  }
  return Object.assign(dispose, { [Symbol.dispose]: dispose })
}

function ofExecutor(executor: ObservedExecutor, options: PrometheusOptions | undefined): PrometheusHandle {
  const settings = readOptions(executor, options)
  const { traces, bounds, registry, prefix } = settings
  const exemplars = traces === undefined ? undefined : new Exemplars(traces, bounds.run)
  const member = new Member(executor, settings, exemplars)
  const group = Group.on(registry, prefix)
  group.add(member)
  exemplars?.listenTo(executor)
  const dispose = (): void => {
    exemplars?.leave(executor)
    group.remove(member)
  }
  return Object.assign(dispose, { [Symbol.dispose]: dispose })
}
