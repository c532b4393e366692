// A client of both services in another language: made from the .proto files at run time, with nothing of ours.
// It is an example (docs/grpc.md), and a test: it ends with an error when an answer is not the expected one.
//
//   HOLDFAST_GRPC=127.0.0.1:50051 API_KEY_ID=… ACCOUNT_ID=… WALLET_ID=… RECIPIENT_ID=… node client.js
//
// The key must have a daily limit of 10,000 sat and nothing spent, the wallet 10,000 sat. With TLS: HOLDFAST_GRPC_CA is the
// file of the certificate authority; with a token: HOLDFAST_GRPC_TOKEN.
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const env = process.env;
const definition = protoLoader.loadSync(['services/api_keys/v1/api_keys.proto', 'holdfast/payments/v1/payments.proto'], {
  includeDirs: [env.HOLDFAST_PROTO || path.join(__dirname, '../../../proto')],
  keepCase: true, longs: Number, enums: String, oneofs: true, defaults: true,
});
const loaded = grpc.loadPackageDefinition(definition);
const credentials = env.HOLDFAST_GRPC_CA
  ? grpc.credentials.createSsl(fs.readFileSync(env.HOLDFAST_GRPC_CA))
  : grpc.credentials.createInsecure();
const budgets = new loaded.services.api_keys.v1.ApiKeysService(env.HOLDFAST_GRPC, credentials);
const payments = new loaded.holdfast.payments.v1.PaymentsService(env.HOLDFAST_GRPC, credentials);

function metadata() {
  const out = new grpc.Metadata();
  if (env.HOLDFAST_GRPC_TOKEN) out.set('authorization', `Bearer ${env.HOLDFAST_GRPC_TOKEN}`);
  return out;
}

// call answers the response, or throws the status.
function call(client, method, request) {
  return new Promise((resolve, reject) => {
    const deadline = new Date(Date.now() + 20_000);
    client[method](request, metadata(), { deadline }, (err, response) => (err ? reject(err) : resolve(response)));
  });
}

async function budgetMethods() {
  const api_key_id = env.API_KEY_ID;
  const transaction_id = crypto.randomUUID();

  const checked = await call(budgets, 'CheckSpendingLimit', { api_key_id, amount_sats: 10_000 });
  assert.equal(checked.allowed, true);
  assert.equal(checked.daily_limit_sats, 10_000);
  assert.equal(checked.remaining_daily_sats, 10_000);
  assert.equal('weekly_limit_sats' in checked, false); // not set: unlimited

  const { ephemeral_id } = await call(budgets, 'CheckAndLockSpending', { api_key_id, amount_sats: 6_000 });
  assert.match(ephemeral_id, /^[0-9a-f-]{36}$/);

  await assert.rejects(call(budgets, 'CheckAndLockSpending', { api_key_id, amount_sats: 4_001 }), (err) => {
    assert.equal(err.code, grpc.status.FAILED_PRECONDITION);
    assert.match(err.details, /daily spending limit exceeded$/);
    return true;
  });
  const record = { api_key_id, amount_sats: 6_000, transaction_id, ephemeral_id };
  await assert.rejects(call(budgets, 'RecordSpending', { ...record, amount_sats: 5_999 }), { code: grpc.status.FAILED_PRECONDITION });
  await call(budgets, 'RecordSpending', record);
  await call(budgets, 'RecordSpending', record); // it may be repeated

  const spent = await call(budgets, 'GetSpendingSummary', { api_key_id });
  assert.equal(spent.daily_spent_sats, 6_000);
  assert.equal(spent.remaining_daily_sats, 4_000);

  await call(budgets, 'ReverseSpending', { transaction_id });
  await call(budgets, 'ReverseSpending', { transaction_id: ephemeral_id }); // by its other name: once
  assert.equal((await call(budgets, 'GetSpendingSummary', { api_key_id })).daily_spent_sats, 0);
  await assert.rejects(call(budgets, 'ReverseSpending', { transaction_id: crypto.randomUUID() }), { code: grpc.status.NOT_FOUND });
  await assert.rejects(call(budgets, 'CheckAndLockSpending', { api_key_id: 'shop', amount_sats: 1 }), { code: grpc.status.INVALID_ARGUMENT });
}

// watch answers the states that it has seen when the payment is final.
function watch(id) {
  return new Promise((resolve, reject) => {
    const states = [];
    payments.Watch({ id }, metadata())
      .on('data', ({ payment }) => states.push(payment.state))
      .on('error', reject)
      .on('end', () => resolve(states));
  });
}

async function paymentMethods() {
  const request = {
    account_id: env.ACCOUNT_ID, wallet_id: env.WALLET_ID, key_id: env.API_KEY_ID, idempotency_key: crypto.randomUUID(),
    wallet: { wallet_id: env.RECIPIENT_ID, amount_msat: 2_500_000 },
  };
  const { payment } = await call(payments, 'Start', request);
  assert.equal(payment.state, 'STATE_SETTLED');
  assert.equal(payment.kind, 'KIND_INTRALEDGER');
  assert.deepEqual((await call(payments, 'Start', request)).payment, payment); // the same key: the same payment
  assert.deepEqual((await call(payments, 'Get', { id: payment.id })).payment, payment);
  assert.deepEqual(await watch(payment.id), ['STATE_SETTLED']);
  await assert.rejects(watch(crypto.randomUUID()), { code: grpc.status.NOT_FOUND });

  const { limits } = await call(payments, 'GetLimits', { key_id: env.API_KEY_ID });
  assert.equal(limits.windows[0].spent_sat, 2_500);
}

(async () => {
  await budgetMethods();
  await paymentMethods();
  console.log('ok');
})().catch((err) => {
  console.error(err);
  process.exitCode = 1;
}).finally(() => {
  budgets.close();
  payments.close();
});
