package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/payment"
)

type devnetCommands struct {
	Dir string `default:".devnet" placeholder:"DIR" help:"The network's folder."`

	Ps      devnetPs      `cmd:"" help:"List the network's processes."`
	Stop    devnetStop    `cmd:"" help:"Stop a process gracefully."`
	Start   devnetStart   `cmd:"" help:"Start a process and wait until it is ready."`
	Kill    devnetKill    `cmd:"" help:"Kill a process, as a crash would."`
	Mine    devnetMine    `cmd:"" help:"Mine blocks."`
	Invoice devnetInvoice `cmd:"" help:"Make an invoice at a node."`
	Hold    devnetHold    `cmd:"" help:"Make a hold invoice at a node: its payment stays held until settle or cancel."`
	Settle  devnetSettle  `cmd:"" help:"Take the payment that is held for a hold invoice."`
	Cancel  devnetCancel  `cmd:"" help:"Cancel an invoice; a payment held for it goes back."`
	Pay     devnetPay     `cmd:"" help:"Pay an invoice from a node."`
	Address devnetAddress `cmd:"" help:"Make an on-chain address of a node."`
	Send    devnetSend    `cmd:"" help:"Pay an address on-chain from a node; mine confirms it."`
	Login   devnetLogin   `cmd:"" help:"Log in at the API as a developer, and print the token."`
	Clean   devnetClean   `cmd:"" help:"Remove a network that does not run, with all its state."`
}

// attach finds the network that runs.
func (c *devnetCommands) attach() (*devnet.Remote, error) {
	net, err := devnet.Attach(c.Dir)
	if err != nil {
		return nil, networkAway(err)
	}
	return net, nil
}

type devnetPs struct{}

// Run lists the processes.
func (devnetPs) Run(d *deps, parent *devnetCommands) error {
	net, err := parent.attach()
	if err != nil {
		return err
	}
	all, err := net.Ps()
	if err != nil {
		return networkAway(err)
	}
	rows := make([][]string, len(all))
	for i, p := range all {
		pid := ""
		if p.Pid != 0 {
			pid = strconv.Itoa(p.Pid)
		}
		ports := make([]string, len(p.Ports))
		for i, port := range p.Ports {
			ports[i] = strconv.Itoa(port)
		}
		rows[i] = []string{p.Name, string(p.State), pid, strings.Join(ports, ","), show.Time(p.Since)}
	}
	return d.print.List(all, []string{"NAME", "STATE", "PID", "PORTS", "SINCE"}, rows)
}

// process is a command for one process of the network.
type process struct {
	Name string `arg:"" help:"postgres, temporal, btcd, lnd-bank, lnd-alice, lnd-bob, worker or api."`
}

func (p process) change(d *deps, parent *devnetCommands, done string, how func(*devnet.Remote) error) error {
	net, err := parent.attach()
	if err != nil {
		return err
	}
	if err := how(net); err != nil {
		return onNetwork(err)
	}
	return d.print.Object(map[string]string{"name": p.Name, "done": done}, [2]string{p.Name, done})
}

type devnetStop struct{ process }

// Run stops the process.
func (c devnetStop) Run(d *deps, parent *devnetCommands) error {
	return c.change(d, parent, "stopped", func(net *devnet.Remote) error { return net.StopProcess(c.Name) })
}

type devnetStart struct{ process }

// Run starts the process.
func (c devnetStart) Run(ctx context.Context, d *deps, parent *devnetCommands) error {
	return c.change(d, parent, "started", func(net *devnet.Remote) error { return net.StartProcess(ctx, c.Name) })
}

type devnetKill struct{ process }

// Run kills the process.
func (c devnetKill) Run(d *deps, parent *devnetCommands) error {
	return c.change(d, parent, "killed", func(net *devnet.Remote) error { return net.KillProcess(c.Name) })
}

type devnetMine struct {
	Blocks int `arg:"" help:"How many."`
}

// Run mines.
func (c devnetMine) Run(ctx context.Context, d *deps, parent *devnetCommands) error {
	if c.Blocks < 1 || c.Blocks > 10_000 {
		return payment.Errorf(payment.ReasonInvalidInput, "Mine 1 to 10,000 blocks.")
	}
	net, err := parent.attach()
	if err != nil {
		return err
	}
	if err := net.Mine(ctx, c.Blocks); err != nil {
		return onNetwork(err)
	}
	height, err := net.Height(ctx)
	if err != nil {
		return onNetwork(err)
	}
	return d.print.Object(map[string]int{"height": height}, [2]string{"height", strconv.Itoa(height)})
}

// node is a command for one of bank, alice, bob.
type node struct {
	Node string `arg:"" help:"bank, alice or bob."`
}

type devnetInvoice struct {
	node
	Sat    int64         `placeholder:"N" help:"The amount. Default: the payer chooses."`
	Memo   string        `help:"What it is for."`
	Expiry time.Duration `default:"1h" help:"How long it can be paid."`
}

// Run makes the invoice.
func (c devnetInvoice) Run(ctx context.Context, d *deps, parent *devnetCommands) error {
	net, err := parent.attach()
	if err != nil {
		return err
	}
	invoice, err := net.Invoice(ctx, c.Node, c.Sat, c.Memo, c.Expiry)
	if err != nil {
		return onNetwork(err)
	}
	return d.print.Object(map[string]any{"invoice": invoice, "amount_sat": c.Sat}, [2]string{"invoice", invoice})
}

type devnetHold struct {
	node
	Sat int64 `required:"" placeholder:"N" help:"The amount."`
}

// Run makes the hold invoice. The network keeps the preimage for settle.
func (c devnetHold) Run(ctx context.Context, d *deps, parent *devnetCommands) error {
	net, err := parent.attach()
	if err != nil {
		return err
	}
	invoice, hash, _, err := net.Hold(ctx, c.Node, c.Sat)
	if err != nil {
		return onNetwork(err)
	}
	return d.print.Object(map[string]any{"invoice": invoice, "payment_hash": hash, "amount_sat": c.Sat},
		[2]string{"invoice", invoice}, [2]string{"payment hash", hash})
}

type devnetSettle struct {
	node
	Hash string `arg:"" help:"The payment hash that hold has printed."`
}

// Run settles the hold invoice.
func (c devnetSettle) Run(ctx context.Context, d *deps, parent *devnetCommands) error {
	return heldInvoice(d, parent, c.Hash, "settled", func(net *devnet.Remote) error { return net.Settle(ctx, c.Node, c.Hash) })
}

type devnetCancel struct {
	node
	Hash string `arg:"" help:"The payment hash."`
}

// Run cancels the invoice.
func (c devnetCancel) Run(ctx context.Context, d *deps, parent *devnetCommands) error {
	return heldInvoice(d, parent, c.Hash, "canceled", func(net *devnet.Remote) error { return net.Cancel(ctx, c.Node, c.Hash) })
}

func heldInvoice(d *deps, parent *devnetCommands, text, done string, how func(*devnet.Remote) error) error {
	if _, err := payment.ParseHash(text); err != nil {
		return payment.Errorf(payment.ReasonInvalidInput, "This is no payment hash: %v.", err)
	}
	net, err := parent.attach()
	if err != nil {
		return err
	}
	if err := how(net); err != nil {
		return onNetwork(err)
	}
	return d.print.Object(map[string]string{"payment_hash": text, "done": done}, [2]string{text, done})
}

type devnetPay struct {
	node
	Invoice string `arg:"" help:"The BOLT 11 invoice."`
	Sat     int64  `placeholder:"N" help:"The amount, for an invoice that names none."`
}

// Run pays and waits for the end.
func (c devnetPay) Run(ctx context.Context, d *deps, parent *devnetCommands) error {
	net, err := parent.attach()
	if err != nil {
		return err
	}
	paid, err := net.Pay(ctx, c.Node, c.Invoice, c.Sat)
	if err != nil {
		return onNetwork(err)
	}
	return d.print.Object(map[string]any{"payment_hash": paid.Hash, "amount_msat": paid.Msat, "fee_msat": paid.FeeMsat},
		[2]string{"payment hash", paid.Hash},
		[2]string{"amount", payment.Msat(paid.Msat).String()},
		[2]string{"fee", payment.Msat(paid.FeeMsat).String()})
}

type devnetAddress struct{ node }

// Run makes the address.
func (c devnetAddress) Run(ctx context.Context, d *deps, parent *devnetCommands) error {
	net, err := parent.attach()
	if err != nil {
		return err
	}
	address, err := net.NewAddress(ctx, c.Node)
	if err != nil {
		return onNetwork(err)
	}
	return d.print.Object(map[string]string{"address": address}, [2]string{"address", address})
}

type devnetSend struct {
	node
	Address string `arg:"" help:"The address that receives."`
	Sat     int64  `required:"" placeholder:"N" help:"The amount."`
}

// Run sends. The transaction waits in the mempool for a block.
func (c devnetSend) Run(ctx context.Context, d *deps, parent *devnetCommands) error {
	net, err := parent.attach()
	if err != nil {
		return err
	}
	txid, err := net.Send(ctx, c.Node, c.Address, c.Sat)
	if err != nil {
		return onNetwork(err)
	}
	return d.print.Object(map[string]any{"txid": txid, "amount_sat": c.Sat}, [2]string{"txid", txid})
}

type devnetClean struct{}

// Run removes the network's folder.
func (devnetClean) Run(d *deps, parent *devnetCommands) error {
	if err := devnet.Remove(parent.Dir); err != nil {
		return onNetwork(err)
	}
	return d.print.Object(map[string]string{"removed": parent.Dir}, [2]string{"removed", fmt.Sprintf("%s and all that was in it", parent.Dir)})
}
