/** What these files state. They are not run: that they compile is the test (`npm run types`, `npm run check:types-matrix`). */

/** Are they the very same type? Not only assignable to each other, which `any` would always be. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** `holds<Same<typeof answer, string>>()` */
export declare function holds<_ extends true>(): void

/** Stands for a value of a type. */
export declare function some<T>(): T
