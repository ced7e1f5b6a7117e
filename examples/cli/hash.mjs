// One request: a text, or { text, rounds }. One answer: its SHA-256, over and over.
import { hash } from 'node:crypto'

export default async function sha256(request) {
  const { text = request, rounds = 1 } = typeof request === 'object' && request !== null ? request : {}
  let digest = String(text)
  for (let round = 0; round < rounds; round++) digest = hash('sha256', digest)
  return { digest }
}
