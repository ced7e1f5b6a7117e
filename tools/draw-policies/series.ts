/**
 * What is drawn, and in which colours? They are near to those of Okabe and Ito, that hardly anybody confuses, and lines
 * differ in their dashes too.
 *
 * @see https://jfly.uni-koeln.de/color/
 */
import { priorities } from '../../src/index.ts'
import type { Point } from './sampling.ts'

export interface Series {
  readonly name: string
  readonly colour: string
  readonly points: readonly Point[]
  readonly dash?: string
  /** Dots in place of a line. */
  readonly dots?: boolean
}

export const colours = {
  orange: '#d55e00',
  amber: '#b8860b',
  blue: '#0072b2',
  sky: '#4a9fd8',
  green: '#00866a',
  pink: '#b0578d',
  grey: '#6b7280',
} as const

/** From the most urgent on. */
const tierStyles = [
  { colour: colours.orange },
  { colour: colours.amber, dash: '6 3' },
  { colour: colours.green, dash: '2 2' },
  { colour: colours.blue },
] as const

/** One line for each priority, in the style that it has in all pictures. */
export function byPriority(points: readonly (readonly Point[])[]): Series[] {
  return tierStyles.map((style, tier) => ({ ...style, name: priorities[tier] as string, points: points[tier] ?? [] }))
}
