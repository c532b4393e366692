package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/demo"
	"github.com/holdfast-pay/holdfast/devnet"
)

type demoCommand struct {
	Dir string `default:".devnet" placeholder:"DIR" help:"The folder of the network to use, if one runs there."`
}

// Run plays the demo on the network of the folder, or on one of its own that it takes down again.
func (c *demoCommand) Run(ctx context.Context, d *deps) error {
	if net, err := devnet.Attach(c.Dir); err == nil {
		d.print.Line("using the network that runs in %s\n", c.Dir)
		return d.demoOn(ctx, net, net.Env())
	}
	return d.demoOnOwn(ctx)
}

// demoOnOwn plays on a fresh network with free ports in a temporary folder.
func (d *deps) demoOnOwn(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "holdfast-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, onNetwork(devnet.Remove(dir))) }()
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // Postgres' own user must pass through; nobody can look
		return err
	}
	net, err := d.startNetwork(ctx, dir, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop(ctx, net)) }()
	d.print.Line("")
	return d.demoOn(ctx, net, net.Env())
}

func (d *deps) demoOn(ctx context.Context, net demo.Network, env map[string]string) error {
	house := d.on(env)
	defer house.close()
	_, err := house.runDemo(ctx, net)
	return err
}

// runDemo plays the demo on the house behind these deps.
func (d *deps) runDemo(ctx context.Context, net demo.Network) ([]demo.Shown, error) {
	door, err := d.starter(ctx)
	if err != nil {
		return nil, err
	}
	var out io.Writer = d.print.Out
	if d.print.JSON {
		out = d.print.Err
	}
	shown, err := demo.Run(ctx, demo.Config{Out: out, Net: net, Starter: door, Ledger: d.books, Check: d.check})
	if err != nil && ctx.Err() == nil {
		err = show.Exit{Code: show.Failed, Message: err.Error()}
	}
	return shown, err
}
