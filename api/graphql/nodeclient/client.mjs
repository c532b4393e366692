// What a wallet does, with clients that know nothing of Holdfast: graphql-request and urql over HTTP, graphql-ws over a
// WebSocket. It prints "ok", or fails.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

// The packages are installed elsewhere: see nodeclient_test.go.
const require = createRequire(path.join(process.env.MODULES, 'x.js'))
const load = async (name) => import(pathToFileURL(require.resolve(name)))
const { GraphQLClient, gql } = await load('graphql-request')
const { Client, fetchExchange } = await load('@urql/core')
const { createClient } = await load('graphql-ws')
const WebSocket = require('ws')

const http = `http://${process.env.ADDRESS}/graphql`
const ws = `ws://${process.env.ADDRESS}/graphqlws`

// A login and a wallet.
const nobody = new GraphQLClient(http)
const login = await nobody.request(
  gql`mutation Login($input: UserLoginInput!) { userLogin(input: $input) { authToken errors { message code } } }`,
  { input: { phone: process.env.PHONE, code: '000000' } })
assert.deepEqual(login.userLogin.errors, [])
const session = new GraphQLClient(http, { headers: { Authorization: `Bearer ${login.userLogin.authToken}` } })
const { me } = await session.request(gql`{ me { defaultAccount { defaultWalletId wallets { id walletCurrency balance ... on BTCWallet { accountId } } } } }`)
const wallet = me.defaultAccount.wallets.find((w) => w.walletCurrency === 'BTC')
assert.equal(wallet.id, me.defaultAccount.defaultWalletId)

// Updates, from now on.
const socket = createClient({ url: ws, webSocketImpl: WebSocket, connectionParams: { Authorization: `Bearer ${login.userLogin.authToken}` } })
const updates = socket.iterate({ query: `subscription { myUpdates { errors { message } update { __typename
  ... on LnUpdate { paymentHash status transaction { settlementAmount } } ... on IntraLedgerUpdate { txNotificationType amount } } } }` })
const news = async () => {
  for (;;) {
    const { value, done } = await updates.next()
    assert.equal(done, false)
    assert.equal(value.errors, undefined)
    if (!/Price$/.test(value.data.myUpdates.update.__typename)) return value.data.myUpdates.update
  }
}
const firstNews = news() // it subscribes at the first call

// An invoice, its status by subscription, and somebody who pays it.
const { lnInvoiceCreate } = await session.request(
  gql`mutation Invoice($input: LnInvoiceCreateInput!) { lnInvoiceCreate(input: $input) { errors { message } invoice { paymentRequest paymentHash satoshis } } }`,
  { input: { walletId: wallet.id, amount: 20000, memo: 'tea' } })
const invoice = lnInvoiceCreate.invoice
assert.equal(invoice.satoshis, 20000)
const status = socket.iterate({
  query: `subscription S($input: LnInvoicePaymentStatusByHashInput!) { lnInvoicePaymentStatusByHash(input: $input) { status errors { message } } }`,
  variables: { input: { paymentHash: invoice.paymentHash } } })
assert.equal((await status.next()).value.data.lnInvoicePaymentStatusByHash.status, 'PENDING')

const payer = new GraphQLClient(http, { headers: { 'X-API-KEY': process.env.PAYER_KEY } })
const pay = gql`mutation Pay($input: LnInvoicePaymentInput!) { lnInvoicePaymentSend(input: $input) { status errors { message code path } transaction { id settlementAmount } } }`
const input = { walletId: process.env.PAYER_WALLET, paymentRequest: invoice.paymentRequest }
const key = { 'X-Idempotency-Key': randomUUID() }
const first = (await payer.request(pay, { input }, key)).lnInvoicePaymentSend
assert.equal(first.status, 'SUCCESS')
assert.equal(first.transaction.settlementAmount, -20000)
const again = (await payer.request(pay, { input }, key)).lnInvoicePaymentSend
assert.deepEqual(again, first)
assert.equal((await payer.request(pay, { input })).lnInvoicePaymentSend.status, 'ALREADY_PAID')
assert.equal((await status.next()).value.data.lnInvoicePaymentStatusByHash.status, 'PAID')
assert.equal((await status.next()).done, true)
assert.equal((await firstNews).txNotificationType, 'IntraLedgerReceipt')

// A key with a limit, with another client.
const urql = new Client({ url: http, exchanges: [fetchExchange], preferGetMethod: false, fetchOptions: { headers: { Authorization: `Bearer ${login.userLogin.authToken}` } } })
const must = async (promise) => {
  const { data, error } = await promise
  assert.equal(error, undefined)
  return data
}
const { apiKeyCreate } = await must(urql.mutation('mutation { apiKeyCreate(input: {name: "node", scopes: [READ, WRITE]}) { apiKey { id } apiKeySecret } }', {}))
await must(urql.mutation('mutation Limit($id: ID!, $sats: Int!) { apiKeySetLimit(input: {id: $id, limitTimeWindow: DAILY, limitSats: $sats}) { apiKey { id } } }',
  { id: apiKeyCreate.apiKey.id, sats: 5000 }))
const shop = new GraphQLClient(http, { headers: { 'X-API-KEY': apiKeyCreate.apiKeySecret } })
const send = gql`mutation Send($input: IntraLedgerPaymentSendInput!) { intraLedgerPaymentSend(input: $input) { status errors { message code } } }`
const to = { walletId: wallet.id, recipientWalletId: process.env.PAYER_WALLET }
assert.equal((await shop.request(send, { input: { ...to, amount: '4000' } })).intraLedgerPaymentSend.status, 'SUCCESS')
const over = (await shop.request(send, { input: { ...to, amount: 4000 } })).intraLedgerPaymentSend
assert.equal(over.status, 'FAILURE')
assert.equal(over.errors[0].code, 'TRANSACTION_RESTRICTED')
assert.match(over.errors[0].message, /daily.*5,000 sat.*4,000 sat spent/)
await assert.rejects(shop.request(gql`mutation { apiKeyCreate(input: {name: "more"}) { apiKeySecret } }`), (failure) => {
  assert.equal(failure.response.errors.length, 1)
  return failure.response.errors[0].extensions.code === 'NOT_AUTHORIZED'
})
const update = await news()
assert.deepEqual([update.txNotificationType, update.amount], ['IntraLedgerPayment', 4000])
await assert.rejects(new GraphQLClient(http, { headers: { 'X-API-KEY': 'test_' + 'x'.repeat(64) } }).request('{ me { id } }'), (failure) => failure.response.status === 401)

await updates.return()
await socket.dispose()
console.log('ok')
