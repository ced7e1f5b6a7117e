/**
 * An executor on a Prometheus registry: `prometheus(executor)` hands over what the engine has counted, at each scrape.
 */

export type { MetricsRegistry, ObservedExecutor, ObservedShards, PrometheusOptions } from './options.ts'
export { type PrometheusHandle, prometheus } from './prometheus.ts'
