/** Answers a request with this HTTP status and this message. */
export class HTTPProblem extends Error {
  override readonly name = 'HTTPProblem'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}
