package main

import (
	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
)

// configCommands take the flags of the process that they are about: put "config" before its command line.
type configCommands struct {
	API    configAPI    `cmd:"" name:"api" default:"withargs" help:"Of holdfast api, with its flags. This is what config alone prints."`
	Worker configWorker `cmd:"" help:"Of holdfast worker, with its flags."`
	Codec  configCodec  `cmd:"" help:"Of holdfast codec, with its flags."`
}

type configAPI struct {
	settings.Shared
	settings.API
}

// Run prints what is in force; mistakes are the error.
func (*configAPI) Run(d *deps) error {
	shown := d.settings.Show(&settings.House{}, &settings.Shared{}, &settings.API{})
	_, mistakes := d.settings.ForAPI()
	return printSettings(d, shown, mistakes)
}

type configWorker struct {
	settings.Shared
	settings.Worker
}

// Run prints what is in force; mistakes are the error.
func (*configWorker) Run(d *deps) error {
	shown := d.settings.Show(&settings.House{}, &settings.Shared{}, &settings.Worker{})
	if nodes, err := d.settings.Nodes(); err == nil {
		shown = append(shown, d.settings.ShowNodes(nodes)...)
	}
	_, mistakes := d.settings.ForWorker()
	return printSettings(d, shown, mistakes)
}

type configCodec struct {
	settings.Codec
}

// Run prints what is in force; mistakes are the error.
func (*configCodec) Run(d *deps) error {
	shown := d.settings.Show(&settings.House{}, &settings.Codec{})
	_, mistakes := d.settings.ForCodec()
	return printSettings(d, shown, mistakes)
}

func printSettings(d *deps, shown []settings.Shown, mistakes error) error {
	rows := make([][]string, len(shown))
	for i, s := range shown {
		flag := ""
		if s.Flag != "" {
			flag = "--" + s.Flag
		}
		rows[i] = []string{s.Name, s.Value, string(s.Source), flag}
	}
	if err := d.print.List(shown, []string{"SETTING", "VALUE", "SOURCE", "FLAG"}, rows); err != nil {
		return err
	}
	return mistakes
}
