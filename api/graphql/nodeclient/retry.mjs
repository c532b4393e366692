// A subscriber that comes while credentials cannot be checked: graphql-ws tries again by itself, and is served when they can. It
// prints "ok", or fails.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const require = createRequire(path.join(process.env.MODULES, 'x.js'))
const { createClient } = await import(pathToFileURL(require.resolve('graphql-ws')))

const codes = []
const socket = createClient({
  url: `ws://${process.env.ADDRESS}/graphqlws`, webSocketImpl: require('ws'), connectionParams: { 'X-API-KEY': process.env.KEY },
  retryAttempts: 100, retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)), // which codes are retried is the client's own choice
  on: { closed: (event) => codes.push(event.code) },
})
const { value } = await socket.iterate({ query: '{ me { id } }' }).next()
assert.equal(value.data.me.id, process.env.ACCOUNT)
assert.ok(codes.length > 0 && codes.every((code) => code === 1013), `closed with ${codes}`)
await socket.dispose()
console.log('ok')
