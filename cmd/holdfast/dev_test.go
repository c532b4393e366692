package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/sdk/client"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// A person's afternoon with `holdfast dev`: it comes up, its demo goes as expected, every kind of command works on it
// with the documented exit codes, and an interrupt takes everything down.
func TestDev(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("brings up a network")
	}
	n := startDev(t)
	n.servesAPI()
	n.receives()
	n.holdsAndCancels()
	n.settlesForAKey()
	n.paysOnce()
	n.paysOnchain()
	n.playsTheDemo()
	n.checks()
	n.stops()
}

// network is the one that a `holdfast dev` of this test runs.
type network struct {
	t       *testing.T
	dir     string
	stop    context.CancelFunc
	ended   chan show.Code
	wallet  show.Wallet
	key     show.Key
	invoice string
}

func startDev(t *testing.T) *network {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	n := &network{t: t, dir: devnettest.Dir(t), stop: cancel, ended: make(chan show.Code, 1)}
	read, write := io.Pipe()
	go func() {
		code := run(ctx, []string{"dev", "--dir", n.dir}, settings.From(nil), write, write)
		_ = write.Close()
		n.ended <- code
	}()
	t.Cleanup(func() { // also when the test fails half way: nothing stays running
		cancel()
		_, _ = io.Copy(io.Discard, read)
	})
	var said []string
	for lines := bufio.NewScanner(read); ; {
		if !lines.Scan() {
			t.Fatalf("dev ended early:\n%s", strings.Join(said, "\n"))
		}
		said = append(said, lines.Text())
		if strings.HasPrefix(lines.Text(), "Ctrl-C stops") {
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	text := strings.Join(said, "\n")
	for _, want := range []string{"steps went as expected", "playground", "Temporal UI", "/namespaces/default/workflows/", "lnd-bank", filepath.Join(n.dir, "env")} {
		if !strings.Contains(text, want) {
			t.Fatalf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "FAIL") {
		t.Fatal(text)
	}
	return n
}

// on runs a command of the product, expects a code and reads its JSON.
func on[T any](n *network, want show.Code, args ...string) T {
	n.t.Helper()
	return ask[T](n.t, nil, want, append(args, "--env-file", filepath.Join(n.dir, "env"))...)
}

// made is what commands of the private network answer.
type made struct {
	Invoice string `json:"invoice"`
	Hash    string `json:"payment_hash"`
	Address string `json:"address"`
	TxID    string `json:"txid"`
}

// outside runs a command of the private network.
func (n *network) outside(args ...string) made {
	n.t.Helper()
	return ask[made](n.t, nil, show.OK, append([]string{"devnet", "--dir", n.dir}, args...)...)
}

// eventually asks until ok.
func (n *network) eventually(what string, ok func() bool) {
	n.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			n.t.Fatalf("not within a minute: %s", what)
		}
	}
}

func (n *network) receives() {
	n.wallet = on[show.Wallet](n, show.OK, "wallet", "create", "--name", "shop")
	n.outside("pay", "alice", on[made](n, show.OK, "wallet", "invoice", n.wallet.ID, "--sat", "50000").Invoice)
	n.eventually("the invoice is credited", func() bool {
		return on[show.Wallet](n, show.OK, "wallet", "show", n.wallet.ID).BalanceSat == 50_000
	})
	n.outside("send", "bob", on[made](n, show.OK, "wallet", "address", n.wallet.ID).Address, "--sat", "20000")
	n.outside("mine", "1")
	n.eventually("the deposit is credited", func() bool {
		return on[show.Wallet](n, show.OK, "wallet", "show", n.wallet.ID).BalanceSat == 70_000
	})
	n.key = on[show.Key](n, show.OK, "key", "create", "--account", n.wallet.AccountID, "--name", "till")
	on[show.Key](n, show.OK, "key", "limit", "set", n.key.ID, "--window", "daily", "--sat", "10000")
}

// holdsAndCancels: pending ends with 4, what cannot be given up and what is over the budget with 3, failed with 1.
func (n *network) holdsAndCancels() {
	hold := n.outside("hold", "alice", "--sat", "4000")
	pay := []string{"--wallet", n.wallet.ID, "--key", n.key.ID}
	held := on[show.Payment](n, show.Pending, append([]string{"pay", "invoice", hold.Invoice}, pay...)...)
	if held.State != "pending" || held.PaymentHash != hold.Hash {
		n.t.Fatalf("held: %+v", held)
	}
	n.eventually("the block is known until which it is in flight", func() bool {
		held = on[show.Payment](n, show.OK, "payment", "show", held.ID)
		return held.ExpiryHeight != 0
	})
	n.tells(held.ID,
		`(?m)^in flight +until block `+fmt.Sprint(held.ExpiryHeight)+`$`, `(?m)^fee reserve +20 sat$`,
		`reserved .*amount 4,000 sat, fee reserve 20 sat, this payment's share of the budget: 4,020 sat, daily spending 0 sat before, 4,020 sat after, limit 10,000 sat`,
		`in flight .*until block `+fmt.Sprint(held.ExpiryHeight))
	if budget := on[show.Key](n, show.OK, "key", "show", n.key.ID).Spending; budget.ReservedSat != 4_020 || *budget.Windows[0].RemainingSat != 5_980 {
		n.t.Errorf("while it is held: %+v", budget)
	}
	if kept := on[failed](n, show.Refused, "payment", "abandon", held.ID); kept.Error.Reason != "PAYMENT_IN_FLIGHT" {
		n.t.Errorf("abandon: %+v", kept)
	}
	over := on[show.Payment](n, show.Refused, append([]string{"pay", "invoice", n.outside("invoice", "alice", "--sat", "7000").Invoice}, pay...)...)
	if over.State != "refused" || over.Failure == nil || over.Failure.Budget == nil || over.Failure.Budget.RemainingSat != 5_980 || over.Failure.Budget.FreesAt == nil {
		n.t.Errorf("over the budget: %+v", over)
	}
	n.outside("kill", "worker")
	n.outside("cancel", "alice", hold.Hash)
	n.outside("start", "worker")
	n.workerPolls()
	got := holdfast(n.t, nil, "payment", "watch", held.ID, "--timeout", "90s", "--json", "--env-file", filepath.Join(n.dir, "env"))
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	var last show.Payment
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || got.code != show.Failed || last.State != "failed" || last.Failure.Reason != "REJECTED" {
		n.t.Fatalf("watch: code %d, %v\n%s%s", got.code, err, got.out, got.err)
	}
	if budget := on[show.Key](n, show.OK, "key", "show", n.key.ID).Spending; budget.ReservedSat != 0 || budget.Windows[0].SpentSat != 0 {
		n.t.Errorf("after the cancel: %+v", budget)
	}
	var story []string
	for _, e := range on[show.Payment](n, show.OK, "payment", "show", held.ID).Timeline {
		story = append(story, e.Name)
	}
	if text := strings.Join(story, " "); !strings.HasPrefix(text, "reserved dispatched in_flight") || !strings.HasSuffix(text, "failed") {
		n.t.Errorf("timeline: %s", text)
	}
	n.tells(held.ID, `failed .*REJECTED, this payment's share of the budget: 4,020 sat before, 0 sat after`)
}

// workerPolls: who has started the worker may rely on it, and not on what Temporal remembers of the one that was killed.
func (n *network) workerPolls() {
	n.t.Helper()
	type process struct {
		Name string `json:"name"`
		Pid  int    `json:"pid"`
	}
	all := ask[[]process](n.t, nil, show.OK, "devnet", "--dir", n.dir, "ps")
	i := slices.IndexFunc(all, func(p process) bool { return p.Name == "worker" })
	env, err := devnet.ReadEnv(filepath.Join(n.dir, "env"))
	if err != nil || i < 0 {
		n.t.Fatalf("%v, %v", all, err)
	}
	temporal, err := client.DialContext(n.t.Context(), client.Options{HostPort: env[settings.TemporalAddress]})
	if err != nil {
		n.t.Fatal(err)
	}
	defer temporal.Close()
	answer, err := temporal.WorkflowService().DescribeTaskQueue(n.t.Context(), describe(workflows.PaymentsQueue))
	if err != nil || !slices.ContainsFunc(answer.GetPollers(), func(p *taskqueue.PollerInfo) bool { return isOf(p, all[i].Pid) }) {
		n.t.Errorf("process %d polls nothing: %v, %v", all[i].Pid, answer.GetPollers(), err)
	}
}

// tells reads a payment as people see it, and looks for patterns in that.
func (n *network) tells(id string, patterns ...string) {
	n.t.Helper()
	got := holdfast(n.t, nil, "payment", "show", id, "--env-file", filepath.Join(n.dir, "env"))
	for _, pattern := range patterns {
		if !regexp.MustCompile(pattern).MatchString(got.out) {
			n.t.Errorf("nothing like %q in\n%s%s", pattern, got.out, got.err)
		}
	}
}

// settlesForAKey: the fee is known at the end, and what the reserve held too much is back in the budget.
func (n *network) settlesForAKey() {
	paid := on[show.Payment](n, show.OK, "pay", "invoice", n.outside("invoice", "bob", "--sat", "2000").Invoice,
		"--wallet", n.wallet.ID, "--key", n.key.ID, "--wait", "60s")
	fee, reserve := payment.Msat(paid.FeeMsat), payment.Msat(paid.FeeReserveMsat)
	share := func(fee payment.Msat) string { return (payment.Sat(2_000).MustMsat() + fee).Ceil().String() }
	if fee == 0 || share(fee) == share(reserve) {
		n.t.Fatalf("fee %v of %v: nothing to see", fee, reserve)
	}
	n.tells(paid.ID, `(?m)^fee +`+fee.String()+`$`, `(?m)^fee reserve +`+reserve.String()+`$`,
		`reserved .*daily spending 0 sat before, `+share(reserve)+` after, limit 10,000 sat`,
		`settled .*fee `+fee.String()+`, .*this payment's share of the budget: `+share(reserve)+` before, `+share(fee)+` after`)
	if budget := on[show.Key](n, show.OK, "key", "show", n.key.ID).Spending; payment.Sat(budget.Windows[0].SpentSat).String() != share(fee) {
		n.t.Errorf("the budget: %+v, want %s spent", budget, share(fee))
	}
}

// paysOnce: repeating a call finds the first one's payment; the same invoice without the key of the call is refused.
func (n *network) paysOnce() {
	n.invoice = n.outside("invoice", "bob", "--sat", "1000").Invoice
	pay := []string{"pay", "invoice", n.invoice, "--wallet", n.wallet.ID, "--wait", "60s"}
	first := on[show.Payment](n, show.OK, append(pay, "--idempotency-key", "one")...)
	again := on[show.Payment](n, show.OK, append(pay, "--idempotency-key", "one")...)
	if first.State != "settled" || again.ID != first.ID || first.Preimage == "" {
		n.t.Errorf("first %+v, again %+v", first, again)
	}
	if twice := on[show.Payment](n, show.Refused, pay...); twice.Failure == nil || twice.Failure.Reason != "ALREADY_PAID" {
		n.t.Errorf("paid twice: %+v", twice)
	}
	text := holdfast(n.t, nil, append(pay, "--env-file", filepath.Join(n.dir, "env"))...)
	if text.code != show.Refused || !strings.Contains(text.err, "(ALREADY_PAID)") || !strings.Contains(text.out, "refused") {
		n.t.Errorf("for people: code %d\n%s%s", text.code, text.out, text.err)
	}
}

func (n *network) paysOnchain() {
	sent := on[show.Payment](n, show.Pending, "pay", "address", n.outside("address", "bob").Address, "--wallet", n.wallet.ID, "--sat", "5000", "--speed", "slow")
	n.eventually("the transaction is broadcast", func() bool {
		sent = on[show.Payment](n, show.OK, "payment", "show", sent.ID)
		return sent.TxID != "" && sent.State == "pending"
	})
	n.outside("mine", "1")
	got := holdfast(n.t, nil, "payment", "watch", sent.ID, "--timeout", "90s", "--env-file", filepath.Join(n.dir, "env"))
	if got.code != show.OK || !strings.Contains(got.out, "settled") {
		n.t.Errorf("on-chain: code %d\n%s%s", got.code, got.out, got.err)
	}
	if list := on[[]show.Payment](n, show.OK, "payment", "list", "--wallet", n.wallet.ID, "--state", "settled"); len(list) != 3 || list[0].ID != sent.ID {
		n.t.Errorf("settled payments: %+v", list)
	}
}

// playsTheDemo on the network that runs: all goes as expected, again and again; what differs fails the program.
func (n *network) playsTheDemo() {
	got := holdfast(n.t, nil, "demo", "--dir", n.dir)
	if got.code != show.OK || !strings.HasPrefix(got.out, "using the network that runs in "+n.dir) || !strings.Contains(got.out, "steps went as expected") {
		n.t.Errorf("demo: code %d\n%s%s", got.code, got.out, got.err)
	}
	env, err := devnet.ReadEnv(filepath.Join(n.dir, "env"))
	if err != nil {
		n.t.Fatal(err)
	}
	const spoil = "UPDATE wallets SET credits_posted = credits_posted + $2 WHERE id = $1"
	ledgertest.Exec(n.t, env[settings.DatabaseURL], spoil, n.wallet.ID, 1000)
	got = holdfast(n.t, nil, "demo", "--dir", n.dir)
	ledgertest.Exec(n.t, env[settings.DatabaseURL], spoil, n.wallet.ID, -1000)
	if got.code != show.Failed || strings.Count(got.out, "  FAIL  ") != 1 || !strings.Contains(got.err, `"check the books": what was seen is not what was expected`) {
		n.t.Errorf("demo on books that are wrong: code %d\n%s%s", got.code, got.out, got.err)
	}
}

// checks: everything is right, and a node that is away proves nothing.
func (n *network) checks() {
	for _, line := range on[[]show.Check](n, show.OK, "check") {
		if !line.OK {
			n.t.Errorf("%+v", line)
		}
	}
	n.outside("stop", "lnd-bank")
	lines := on[[]show.Check](n, show.Failed, "check")
	if last := lines[len(lines)-1]; last.OK || !strings.Contains(last.Name, "bank") {
		n.t.Errorf("without the node: %+v", last)
	}
	type process struct{ Name, State string }
	for _, p := range ask[[]process](n.t, nil, show.OK, "devnet", "--dir", n.dir, "ps") {
		want := "running"
		if p.Name == "lnd-bank" {
			want = "stopped"
		}
		if p.State != want {
			n.t.Errorf("%s is %s, want %s", p.Name, p.State, want)
		}
	}
}

func (n *network) stops() {
	n.stop()
	select {
	case code := <-n.ended:
		if code != show.OK {
			n.t.Errorf("dev ended with %d", code)
		}
	case <-time.After(90 * time.Second):
		n.t.Fatal("dev does not end")
	}
	if got := holdfast(n.t, nil, "devnet", "--dir", n.dir, "ps"); got.code != show.Away {
		n.t.Errorf("after the end: code %d, %s", got.code, got.out)
	}
}
