/**
 * What a schedule is made of is as these say.
 */
import { seeded } from '../../support/seeded.ts'

export class Dice {
  readonly next: () => number

  constructor(seed: number) {
    this.next = seeded(Math.imul(seed, 0x9e3779b1))
    // Seeds next to each other begin alike.
    for (let i = 0; i < 3; i++) this.next()
  }

  chance = (probability: number): boolean => this.next() < probability
  int = (from: number, to: number): number => from + Math.floor(this.next() * (to - from + 1))
  pick = <T>(all: readonly T[]): T => all[Math.floor(this.next() * all.length)] as T
  /** Present or not: for spreading, since what is undefined is not left out. */
  maybe = <T extends object>(probability: number, make: () => T): T | undefined =>
    this.chance(probability) ? make() : undefined
}
