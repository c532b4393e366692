package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"

	"github.com/alecthomas/kong"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/telemetry"
)

// commands is the whole command line.
type commands struct {
	globals

	Wallet     walletCommands     `cmd:"" help:"Wallets, their invoices and addresses."`
	Key        keyCommands        `cmd:"" help:"API keys and their budgets."`
	Account    accountCommands    `cmd:"" help:"Limits of accounts, which operators set."`
	Pay        payCommands        `cmd:"" help:"Pay an invoice, an address or another wallet."`
	Payment    paymentCommands    `cmd:"" help:"See and steer payments."`
	Worker     workerCommand      `cmd:"" help:"Serve payments until SIGINT or SIGTERM."`
	API        apiCommand         `cmd:"" name:"api" help:"Serve the core API until SIGINT or SIGTERM."`
	Codec      codecCommand       `cmd:"" help:"Open sealed payloads for the Temporal UI until SIGINT or SIGTERM."`
	Config     configCommands     `cmd:"" help:"Print the settings that are in force, and where each comes from."`
	Deployment deploymentCommands `cmd:"" help:"Builds of the worker: which are there, and which gets new work."`
	Migrate    migrateCommands    `cmd:"" help:"The ledger's database schema."`
	Check      checkCommand       `cmd:"" help:"Prove the books: a line per rule, and the ledger against each LND node."`
	Dev        devCommand         `cmd:"" help:"Bring up a private network with a worker and the API, run the demo, stay until Ctrl-C."`
	Devnet     devnetCommands     `cmd:"" help:"Steer the private network that runs."`
	Demo       demoCommand        `cmd:"" help:"Run the demo on the network that runs, or on one of its own."`
}

// globals are the flags of every command. Settings come by flag, else from the environment, else from the env file.
// settings.Flags collects them: read them from deps.settings, not from here.
type globals struct {
	EnvFile  string `placeholder:"FILE" help:"KEY=VALUE lines; never overrides the environment. Default: .devnet/env, if there is one."`
	JSON     bool   `name:"json" help:"Print JSON, for programs."`
	LogLevel string `enum:",debug,info,warn,error" default:"" placeholder:"LEVEL" help:"debug, info, warn or error; goes to stderr. Default: warn, for api and worker info."`

	settings.House
}

const description = "Holdfast sends bitcoin payments for services that hold other people's money.\n\n" + show.Help

// helpShown is how --help leaves the parser.
type helpShown struct{ code int }

// run is the program without its process: args and environment in, exit code out.
func run(ctx context.Context, args []string, environment settings.Source, out, errOut io.Writer) (code show.Code) {
	defer func() {
		switch ended := recover().(type) {
		case nil:
		case helpShown:
			code = show.Code(ended.code)
		default:
			panic(ended)
		}
	}()
	printer := show.Printer{Out: out, Err: errOut, JSON: slices.Contains(args, "--json")}
	var cli commands
	flags := settings.Flags{}
	parser, err := kong.New(&cli, append(flags.Options(),
		kong.Name("holdfast"), kong.Description(description), kong.Writers(out, errOut),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.Exit(func(code int) { panic(helpShown{code}) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)...)
	if err != nil {
		printer.Error(err)
		return show.Failed
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		printer.Error(show.Exit{Code: show.Usage, Message: err.Error() + " (see holdfast --help)"})
		return show.Usage
	}
	return execute(ctx, parsed, cli.globals, settings.From(flags), environment, printer)
}

func execute(ctx context.Context, parsed *kong.Context, g globals, flags, environment settings.Source, printer show.Printer) show.Code {
	printer.JSON = g.JSON
	file, err := settings.ReadEnvFile(g.EnvFile)
	if err != nil {
		printer.Error(err)
		return show.CodeOfError(err)
	}
	d := &deps{
		settings: settings.New(flags, environment, settings.From(file)),
		flags:    settings.New(flags), environment: settings.New(environment),
		print: printer, log: newLog(printer.Err, g.LogLevel, slog.LevelWarn), logLevel: g.LogLevel,
	}
	defer d.close()
	if err = forOperators(parsed.Run(d)); err != nil {
		d.explain(ctx, err)
	}
	return show.CodeOfError(err)
}

// forOperators says what to do about what clients of the API are only told to wait for.
func forOperators(err error) error {
	if errors.Is(err, ledger.ErrNotSetUp) {
		return payment.Errorf(payment.ReasonUnavailable, "The ledger's database is not set up: run `holdfast migrate up`.").Because(err)
	}
	return err
}

// explain prints an error for the user, and its cause for the log.
func (d *deps) explain(ctx context.Context, err error) {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		d.print.Error(show.Exit{Code: show.Failed, Message: "Interrupted."})
		return
	}
	d.print.Error(err)
	if coded, ok := errors.AsType[*payment.Error](err); ok && coded.Cause != nil {
		d.log.Debug("why", "reason", coded.Reason, "error", coded.Cause)
	}
}

// newLog writes to stderr at the level that was asked for, else at the command's own.
func newLog(w io.Writer, asked string, otherwise slog.Level) *slog.Logger {
	level := otherwise
	if asked != "" {
		_ = level.UnmarshalText([]byte(asked)) // the parser allows only names that it knows
	}
	return slog.New(telemetry.LogHandler(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})))
}
