/**
 * How may it be closed? A word of its own, since a run may ask for it, too.
 */
export interface CloseOptions {
  /**
   * True: what was admitted is finished first. False: what waits is cancelled, only what runs is finished.
   * @default true
   */
  drain?: boolean | undefined
  /**
   * After how many ms what is left is cancelled, and the signals of what runs aborted. At least 0.
   * @default Infinity
   */
  graceMs?: number | undefined
  /**
   * For how many ms it goes on serving before it closes, while `health()` says that it is not ready: until nobody sends it
   * requests any more. At least 0, and finite; `graceMs` counts from its end. A second call may shorten it.
   * @default 0
   */
  lameDuckMs?: number | undefined
}
