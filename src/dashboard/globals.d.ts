/** The build makes one style sheet of all that are imported. */
declare module '*.css'

/** The types of the service are checked along with the page: there a port is Node's. */
interface MessagePort {
  once(event: 'message', listener: () => void): unknown
}
