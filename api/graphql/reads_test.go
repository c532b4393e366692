package graphqlapi

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

const (
	rowFields = `id externalId status direction memo createdAt settlementAmount settlementFee settlementCurrency settlementDisplayCurrency
		settlementPrice { base offset } settlementDisplayAmount
		initiationVia { __typename ... on InitiationViaLn { paymentHash paymentRequest } ... on InitiationViaOnChain { address }
			... on InitiationViaIntraLedger { counterPartyWalletId counterPartyUsername } }
		settlementVia { __typename ... on SettlementViaLn { preImage } ... on SettlementViaOnChain { transactionHash vout arrivalInMempoolEstimatedAt }
			... on SettlementViaIntraLedger { counterPartyWalletId preImage } }`
	historyQuery = `query($first: Int, $last: Int, $after: String, $before: String) { me { defaultAccount { transactions(first: $first, last: $last,
		after: $after, before: $before) { edges { cursor node { id settlementAmount } } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } }`
	history = "me.defaultAccount.transactions"
)

func TestLoginAndMe(t *testing.T) {
	t.Parallel()
	h := home(t)
	phone := fmt.Sprintf("+1650%07d", uuid.New().ID()%10_000_000)
	login := func(code string) *answer {
		return h.nobody(t).ask(`mutation($p: Phone!, $c: OneTimeAuthCode!) { userLogin(input: {phone: $p, code: $c}) { authToken totpRequired errors { message code } } }`,
			vars{"p": phone, "c": code})
	}
	if a := login("123456"); a.text("userLogin.authToken") != "" || a.text("userLogin.errors.0.code") != string(codeInput) {
		t.Errorf("got %s", a.raw)
	}
	if a := login("12345"); a.at("userLogin.errors.0.code") != nil {
		t.Errorf("got %s", a.raw)
	}
	o := h.nobody(t).with("Authorization", "Bearer "+login("000000").text("userLogin.authToken"))
	a := o.ask(`{ me { id username phone language createdAt totpEnabled email { address } contacts { username } apiKeys { id }
		defaultAccount { __typename id defaultWalletId defaultWallet { id currency walletCurrency } displayCurrency level
			wallets { __typename id accountId walletCurrency balance pendingIncomingBalance } limits { withdrawal { totalLimit } }
			callbackEndpoints { id url } pendingIncomingTransactions { id } } } }`, nil)
	a.want("me.phone", phone)
	a.want("me.defaultAccount.__typename", "ConsumerAccount")
	a.want("me.defaultAccount.wallets.0.__typename", "BTCWallet")
	a.want("me.defaultAccount.wallets.1.__typename", "UsdWallet")
	a.want("me.defaultAccount.wallets.0.balance", "0")
	a.want("me.defaultAccount.defaultWalletId", a.text("me.defaultAccount.wallets.0.id"))
	a.want("me.defaultAccount.defaultWallet.currency", "BTC")
	again := h.nobody(t).with("Authorization", "Bearer "+login("000000").text("userLogin.authToken"))
	again.ask(`{ me { id } }`, nil).want("me.id", a.text("me.id"))

	usd := a.text("me.defaultAccount.wallets.1.id")
	o.ask(`mutation($w: WalletId!) { accountUpdateDefaultWalletId(input: {walletId: $w}) { account { defaultWalletId } errors { message } } }`, vars{"w": usd}).
		want("accountUpdateDefaultWalletId.account.defaultWalletId", usd)
	o.ask(`mutation { accountUpdateDisplayCurrency(input: {currency: "EUR"}) { account { displayCurrency } errors { message } } }`, nil).
		want("accountUpdateDisplayCurrency.account.displayCurrency", "EUR")
	name := "u" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	available := func() string {
		return h.nobody(t).ask(`query($u: Username!) { usernameAvailable(username: $u) }`, vars{"u": name}).text("usernameAvailable")
	}
	if available() != "true" {
		t.Error("the name is taken")
	}
	o.ask(`mutation($u: Username!) { userUpdateUsername(input: {username: $u}) { user { username } errors { message } } }`, vars{"u": name}).
		want("userUpdateUsername.user.username", name)
	if available() != "false" {
		t.Error("the name can still be taken")
	}
	h.nobody(t).ask(`query($u: Username!) { accountDefaultWallet(username: $u, walletCurrency: BTC) { id walletCurrency } }`, vars{"u": name}).
		want("accountDefaultWallet.walletCurrency", "BTC")
	h.nobody(t).send(`{ accountDefaultWallet(username: "nobody_has_this") { id } }`, nil).wantRefused(codeInput, "")
	added := o.ask(`mutation { callbackEndpointAdd(input: {url: "https://shop.example/hook"}) { id errors { message } } }`, nil).text("callbackEndpointAdd.id")
	o.ask(`mutation($id: EndpointId!) { callbackEndpointDelete(input: {id: $id}) { success errors { message } } }`, vars{"id": added}).
		want("callbackEndpointDelete.success", "true")
	o.ask(`mutation($id: EndpointId!) { callbackEndpointDelete(input: {id: $id}) { success errors { code } } }`, vars{"id": added}).
		want("callbackEndpointDelete.success", "false")
}

// An account of an identity provider is opened when it is first seen.
func TestAGuestOfAnIdentityProvider(t *testing.T) {
	t.Parallel()
	h := home(t)
	token, err := h.issuer.Mint(uuid.New(), day)
	if err != nil {
		t.Fatal(err)
	}
	o := h.nobody(t).with("Authorization", "Bearer "+token)
	o.ask(`{ me { defaultAccount { wallets { walletCurrency } } } }`, nil).want("me.defaultAccount.wallets.0.walletCurrency", "BTC")
}

// What a wallet shows of each kind of payment, from both sides.
func TestTransactions(t *testing.T) {
	t.Parallel()
	h := home(t)
	o, other := h.funded(t, 100_000), h.funded(t, 1)
	out := h.peer.MakeInvoice(1_000)
	o.pay(payment.DoorInvoice, vars{"walletId": o.wallet.ID, "paymentRequest": out.Request, "memo": "tea"}).wantPaid()
	address := lndfake.OutsideAddress()
	o.pay(payment.DoorOnchain, vars{"walletId": o.wallet.ID, "address": address, "amount": 5_000}).wantPaid()
	o.pay(payment.DoorIntraLedger, vars{"walletId": o.wallet.ID, "recipientWalletId": other.wallet.ID, "amount": 300}).wantPaid()
	failed := h.peer.MakeInvoice(200)
	h.bank.Plan(failed.Hash, lndfake.Fails(payment.ReasonRejected))
	o.pay(payment.DoorInvoice, vars{"walletId": o.wallet.ID, "paymentRequest": failed.Request}).wantFailed(codeLightning, "")

	a := o.ask(`{ me { defaultAccount { wallets { transactions(first: 4) { nodes { `+rowFields+` } } } } } }`, nil)
	const rows = "me.defaultAccount.wallets.0.transactions.nodes."
	for path, want := range map[string]string{
		"0.status": "FAILURE", "0.initiationVia.__typename": "InitiationViaLn",
		"1.status": "SUCCESS", "1.settlementAmount": "-300", "1.initiationVia.__typename": "InitiationViaIntraLedger", "1.settlementVia.__typename": "SettlementViaIntraLedger",
		"1.initiationVia.counterPartyWalletId": other.wallet.ID.String(), "1.direction": "SEND",
		"2.status": "PENDING", "2.initiationVia.address": address, "2.settlementVia.__typename": "SettlementViaOnChain",
		"3.status": "SUCCESS", "3.settlementAmount": "-1001", "3.settlementFee": "1", "3.memo": "tea", "3.settlementCurrency": "BTC",
		"3.initiationVia.paymentHash": out.Hash.String(), "3.settlementVia.preImage": fmt.Sprintf("%x", out.Preimage), "3.settlementPrice": "",
	} {
		a.want(rows+path, want)
	}
	if a.text(rows+"2.settlementVia.transactionHash") == "" {
		t.Error("no transaction hash")
	}
	theirs := other.ask(`{ me { defaultAccount { wallets { transactions(first: 1) { nodes { `+rowFields+` } } } } } }`, nil)
	theirs.want(rows+"0.direction", "RECEIVE")
	theirs.want(rows+"0.settlementAmount", "300")

	id := a.text(rows + "3.id")
	one := `query($w: WalletId!, $id: ID!, $h: PaymentHash!, $r: LnPaymentRequest!, $a: OnChainAddress!) { me { defaultAccount { walletById(walletId: $w) {
		transactionById(transactionId: $id) { id } transactionsByPaymentHash(paymentHash: $h) { id } transactionsByPaymentRequest(paymentRequest: $r) { id }
		transactionsByAddress(address: $a) { nodes { id } } pendingIncomingTransactionsByAddress(address: $a) { id } } } } }`
	asked := vars{"w": o.wallet.ID, "id": id, "h": out.Hash.String(), "r": out.Request, "a": address}
	found := o.ask(one, asked)
	const wallet = "me.defaultAccount.walletById."
	for _, path := range []string{"transactionById.id", "transactionsByPaymentHash.0.id", "transactionsByPaymentRequest.0.id"} {
		found.want(wallet+path, id)
	}
	found.want(wallet+"transactionsByAddress.nodes.0.id", a.text(rows+"2.id"))
	// Invariant 3: another owner finds nothing of it, by whatever name.
	if foreign := other.send(one, asked); foreign.Errors == nil || !strings.Contains(foreign.raw, "Invalid walletId for account.") || strings.Contains(foreign.raw, id) {
		t.Errorf("got %s", foreign.raw)
	}
	asked["w"] = other.wallet.ID
	if foreign := other.send(one, asked); len(foreign.Errors) == 0 || strings.Contains(foreign.raw, id) {
		t.Errorf("got %s", foreign.raw)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	h := home(t)
	o, to := h.funded(t, 100_000), h.funded(t, 1)
	pay := func() {
		o.pay(payment.DoorIntraLedger, vars{"walletId": o.wallet.ID, "recipientWalletId": to.wallet.ID, "amount": 5}).wantPaid()
	}
	for range 6 {
		pay()
	}
	all := ids(o.ask(historyQuery, nil), history)
	if len(all) != 7 { // the funding is one
		t.Fatalf("%d rows", len(all))
	}
	// Forwards in pages of two, while payments arrive.
	var seen []string
	var after any
	for range 10 {
		a := o.ask(historyQuery, vars{"first": 2, "after": after})
		seen = append(seen, ids(a, history)...)
		after = a.text(history + ".pageInfo.endCursor")
		if a.text(history+".pageInfo.hasNextPage") == "false" {
			break
		}
		pay()
	}
	if strings.Join(seen, " ") != strings.Join(all, " ") {
		t.Errorf("forwards:\n%v, want\n%v", seen, all)
	}
	// Backwards from the oldest.
	newest := ids(o.ask(historyQuery, nil), history)
	var back []string
	var before any
	for range 20 {
		a := o.ask(historyQuery, vars{"last": 3, "before": before})
		back = append(ids(a, history), back...)
		before = a.text(history + ".pageInfo.startCursor")
		if a.text(history+".pageInfo.hasPreviousPage") == "false" {
			break
		}
	}
	if strings.Join(back, " ") != strings.Join(newest, " ") {
		t.Errorf("backwards:\n%v, want\n%v", back, newest)
	}
	for _, bad := range []vars{
		{"first": 0}, {"first": -1}, {"first": 101}, {"last": 0}, {"first": 1, "last": 1}, {"after": "x"}, {"before": ""}, {"after": "AAAA"},
	} {
		a := o.send(historyQuery, bad)
		if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != string(codeInput) {
			t.Errorf("%v: %s", bad, a.raw)
		}
	}
	a := o.send(`query($w: [WalletId]) { me { defaultAccount { transactions(walletIds: $w) { nodes { id } } } } }`, vars{"w": []any{to.wallet.ID}})
	if len(a.Errors) != 1 || !strings.Contains(a.raw, "Invalid walletId for account.") {
		t.Errorf("got %s", a.raw)
	}
}

func ids(a *answer, connection string) (out []string) {
	a.t.Helper()
	nodes := a.at(connection + ".nodes").([]any)
	edges := a.at(connection + ".edges").([]any)
	if len(nodes) != len(edges) {
		a.t.Errorf("%d nodes, %d edges", len(nodes), len(edges))
	}
	for _, node := range nodes {
		out = append(out, node.(map[string]any)["id"].(string))
	}
	return out
}

func TestInvoices(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 10_000)
	const create = `mutation($i: LnInvoiceCreateInput!) { lnInvoiceCreate(input: $i) { errors { message code } invoice { paymentRequest paymentHash paymentSecret
		satoshis paymentStatus externalId createdAt } } }`
	name := "order-" + uuid.NewString()
	a := o.ask(create, vars{"i": vars{"walletId": o.wallet.ID, "amount": "2500", "memo": "tea", "expiresIn": 5, "externalId": name}})
	const made = "lnInvoiceCreate.invoice."
	a.want(made+"satoshis", "2500")
	a.want(made+"paymentStatus", "PENDING")
	a.want(made+"externalId", name)
	hash, request := a.text(made+"paymentHash"), a.text(made+"paymentRequest")
	if len(a.text(made+"paymentSecret")) != 64 {
		t.Errorf("got %s", a.raw)
	}
	for _, bad := range []vars{{"amount": 0}, {"amount": 5, "expiresIn": 1441}, {"amount": 5, "externalId": name}} {
		bad["walletId"] = o.wallet.ID
		if a := o.ask(create, vars{"i": bad}); a.text("lnInvoiceCreate.errors.0.code") != string(codeInput) {
			t.Errorf("%v: %s", bad, a.raw)
		}
	}
	for _, bad := range []vars{{"amount": -5}, {"amount": 5, "expiresIn": 0}, {"amount": 5, "externalId": "a b"}} {
		bad["walletId"] = o.wallet.ID
		if a := o.ask(create, vars{"i": bad}); a.at("lnInvoiceCreate.errors.0.code") != nil || a.text("lnInvoiceCreate.errors.0.message") == "" {
			t.Errorf("%v: %s", bad, a.raw)
		}
	}
	status := func(by, value string) *answer {
		return h.nobody(t).ask(fmt.Sprintf(`{ s: %s(input: {%s}) { status paymentHash paymentRequest paymentPreimage } }`, by, value), nil)
	}
	byHash := func() *answer { return status("lnInvoicePaymentStatusByHash", fmt.Sprintf("paymentHash: %q", hash)) }
	byHash().want("s.status", "PENDING")
	byHash().want("s.paymentPreimage", "")
	status("lnInvoicePaymentStatusByPaymentRequest", fmt.Sprintf("paymentRequest: %q", request)).want("s.paymentHash", hash)
	parsed, err := payment.ParseHash(hash)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.bank.ReceivePayment(parsed, payment.Sat(2_500).MustMsat()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the receipt", func() bool { return o.balance() == 12_500 })
	byHash().want("s.status", "PAID")
	if len(byHash().text("s.paymentPreimage")) != 64 {
		t.Errorf("no preimage: %s", byHash().raw)
	}
	list := o.ask(`{ me { defaultAccount { invoices(first: 1) { edges { cursor node { __typename paymentHash paymentStatus } } pageInfo { hasNextPage } }
		walletById(walletId: "`+o.wallet.ID.String()+`") { invoiceByPaymentHash(paymentHash: "`+hash+`") { __typename paymentStatus ... on LnInvoice { satoshis } } } } } }`, nil)
	list.want("me.defaultAccount.invoices.edges.0.node.paymentHash", hash)
	list.want("me.defaultAccount.walletById.invoiceByPaymentHash.satoshis", "2500")
}

// An account may have any number of wallets; invoices of those that are named, and of no other, however often one is named.
func TestInvoicesOfSomeWallets(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 0)
	wallets := []string{o.wallet.ID.String(), o.another(payment.BTC).ID.String(), o.another(payment.BTC).ID.String()}
	hashes := make([]string, len(wallets))
	for i, wallet := range wallets {
		hashes[i] = o.ask(`mutation($w: WalletId!) { lnNoAmountInvoiceCreate(input: {walletId: $w}) { invoice { paymentHash } } }`, vars{"w": wallet}).
			text("lnNoAmountInvoiceCreate.invoice.paymentHash")
	}
	for _, c := range []struct{ named, want []string }{
		{wallets[:2], []string{hashes[1], hashes[0]}},
		{[]string{wallets[2], wallets[0], wallets[2]}, []string{hashes[2], hashes[0]}},
		{wallets[1:2], hashes[1:2]},
		{nil, []string{hashes[2], hashes[1], hashes[0]}},
	} {
		a := o.ask(`query($w: [WalletId]) { me { defaultAccount { invoices(walletIds: $w) { nodes { paymentHash } } } } }`, vars{"w": c.named})
		var got []string
		for _, node := range a.at("me.defaultAccount.invoices.nodes").([]any) {
			got = append(got, node.(map[string]any)["paymentHash"].(string))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("wallets %v: invoices %v, want %v", c.named, got, c.want)
		}
	}
}

func TestCancelInvoice(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 10_000)
	cancel := func(caller *owner, hash string) *answer {
		return caller.ask(`mutation($i: LnInvoiceCancelInput!) { lnInvoiceCancel(input: $i) { success errors { message code } } }`,
			vars{"i": vars{"walletId": caller.wallet.ID, "paymentHash": hash}})
	}
	paidHash, request := o.invoice(50)
	payer := h.funded(t, 100)
	payer.pay(payment.DoorInvoice, vars{"walletId": payer.wallet.ID, "paymentRequest": request}).wantPaid()
	cancel(o, paidHash).want("lnInvoiceCancel.errors.0.code", string(codeLightning))
	open := o.ask(`mutation($w: WalletId!) { lnNoAmountInvoiceCreate(input: {walletId: $w}) { errors { message } invoice { paymentHash externalId } } }`,
		vars{"w": o.wallet.ID}).text("lnNoAmountInvoiceCreate.invoice.paymentHash")
	cancel(h.funded(t, 1), open).want("lnInvoiceCancel.success", "false")
	cancel(o, open).want("lnInvoiceCancel.success", "true")
	h.nobody(t).ask(fmt.Sprintf(`{ s: lnInvoicePaymentStatusByHash(input: {paymentHash: %q}) { status } }`, open), nil).want("s.status", "EXPIRED")
}

// Somebody else asks for an invoice of the wallet.
func TestInvoiceOnBehalf(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 10_000)
	a := h.nobody(t).ask(`mutation($w: WalletId!) { lnInvoiceCreateOnBehalfOfRecipient(input: {recipientWalletId: $w, amount: 7,
		descriptionHash: "`+strings.Repeat("ab", 32)+`"}) { errors { message } invoice { satoshis } } }`, vars{"w": o.wallet.ID})
	a.want("lnInvoiceCreateOnBehalfOfRecipient.invoice.satoshis", "7")
	a = h.nobody(t).ask(`mutation { lnInvoiceCreateOnBehalfOfRecipient(input: {recipientWalletId: "`+uuid.NewString()+`", amount: 7}) { errors { code } invoice { satoshis } } }`, nil)
	a.want("lnInvoiceCreateOnBehalfOfRecipient.errors.0.code", string(codeInput))
	o.ask(`mutation { lnUsdInvoiceCreate(input: {walletId: "`+o.usdWallet().ID.String()+`", amount: 7}) { errors { code } invoice { satoshis } } }`, nil).
		want("lnUsdInvoiceCreate.errors.0.code", string(codeNoPrice))
}

func TestAddressesAndFees(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 50_000)
	current := func() string {
		return o.ask(`mutation($w: WalletId!) { onChainAddressCurrent(input: {walletId: $w}) { address errors { message } } }`, vars{"w": o.wallet.ID}).
			text("onChainAddressCurrent.address")
	}
	fresh := o.ask(`mutation($w: WalletId!) { onChainAddressCreate(input: {walletId: $w}) { address errors { message } } }`, vars{"w": o.wallet.ID}).
		text("onChainAddressCreate.address")
	if current() != fresh || fresh == "" {
		t.Errorf("the current address is %s, the newest %s", current(), fresh)
	}
	txid := h.network.SendToAddress(fresh, 7_000)
	pendingQuery := `{ me { defaultAccount { pendingIncomingTransactions { status settlementAmount settlementVia { ... on SettlementViaOnChain {
		transactionHash vout arrivalInMempoolEstimatedAt } } } wallets { pendingIncomingBalance balance } } } }`
	eventually(t, "the deposit is seen", func() bool {
		return o.ask(pendingQuery, nil).text("me.defaultAccount.wallets.0.pendingIncomingBalance") == "7000"
	})
	a := o.ask(pendingQuery, nil)
	a.want("me.defaultAccount.pendingIncomingTransactions.0.settlementVia.transactionHash", txid)
	a.want("me.defaultAccount.pendingIncomingTransactions.0.status", "PENDING")
	a.want("me.defaultAccount.wallets.0.balance", "50000")

	probe := func(input vars) *answer {
		return o.ask(`mutation($i: LnInvoiceFeeProbeInput!) { lnInvoiceFeeProbe(input: $i) { amount errors { message code } } }`, vars{"i": input})
	}
	made := h.peer.MakeInvoice(10_000)
	h.bank.SetRouteFee(made.Hash, 3_500)
	probe(vars{"walletId": o.wallet.ID, "paymentRequest": made.Request}).want("lnInvoiceFeeProbe.amount", "4")
	h.bank.SetRouteFee(made.Hash, 900_000)
	dear := probe(vars{"walletId": o.wallet.ID, "paymentRequest": made.Request}) // an amount and an error together
	dear.want("lnInvoiceFeeProbe.amount", "50")
	dear.want("lnInvoiceFeeProbe.errors.0.code", string(codeRoute))
	probe(vars{"walletId": h.funded(t, 1).wallet.ID, "paymentRequest": made.Request}).want("lnInvoiceFeeProbe.errors.0.message", "Invalid walletId for account.")

	const fee = `query($w: WalletId!, $a: OnChainAddress!, $n: SatAmount!) { onChainTxFee(walletId: $w, address: $a, amount: $n, speed: SLOW) { amount } }`
	if a := o.ask(fee, vars{"w": o.wallet.ID, "a": lndfake.OutsideAddress(), "n": 5_000}); a.text("onChainTxFee.amount") == "0" {
		t.Errorf("got %s", a.raw)
	}
	o.send(fee, vars{"w": uuid.New(), "a": lndfake.OutsideAddress(), "n": 5_000}).wantRefused(codeInput, "Invalid walletId for account.")
	o.send(fee, vars{"w": o.wallet.ID, "a": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "n": 5_000}).wantRefused(codeInput, "Invalid value for OnChainAddress")
	o.send(fee, vars{"w": "x", "a": lndfake.OutsideAddress(), "n": 5_000}).wantRefused(codeInput, "Invalid value for WalletId")
	o.send(fee, vars{"w": o.wallet.ID, "a": lndfake.OutsideAddress(), "n": 5}).wantRefused(codeInput, "lightning")
	h.nobody(t).ask(`{ payoutSpeeds { speed displayName description } globals { network nodesIds lightningAddressDomain feesInformation { deposit { ratio } } } }`, nil).
		want("globals.network", "regtest")
	h.nobody(t).send(`{ realtimePrice { timestamp } }`, nil).wantRefused(codeNoPrice, "")
}
