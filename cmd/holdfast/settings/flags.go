package settings

import (
	"reflect"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"
)

// Flags are the texts of the settings that were given by flag, by the name of the setting. They are collected and not
// decoded, so that a wrong one can be named together with all others.
type Flags map[string]string

// Options teach kong the field types "setting" and "switch", and to show each setting's other names.
func (f Flags) Options() []kong.Option {
	return []kong.Option{
		kong.NamedMapper("setting", collector{into: f}),
		kong.NamedMapper("switch", switchCollector{collector{into: f}}),
		kong.ValueFormatter(formatHelp),
	}
}

type collector struct{ into Flags }

// Decode notes the text of a flag.
func (c collector) Decode(ctx *kong.DecodeContext, _ reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("value", &text); err != nil {
		return err
	}
	c.into[ctx.Value.Tag.Get("setting")] = text
	return nil
}

// switchCollector is a flag that needs no value.
type switchCollector struct{ collector }

// Decode notes true where there is no value.
func (c switchCollector) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		return c.collector.Decode(ctx, target)
	}
	c.into[ctx.Value.Tag.Get("setting")] = "true"
	return nil
}

// IsBool lets kong take the flag without a value.
func (switchCollector) IsBool() bool { return true }

// formatHelp adds a setting's name in the environment, and its default.
func formatHelp(value *kong.Value) string {
	text := kong.DefaultHelpValueFormatter(value)
	name := value.Tag.Get("setting")
	if name == "" {
		return text
	}
	text += " ($" + name
	if otherwise := value.Tag.Get("otherwise"); otherwise != "" {
		text += ", default " + otherwise
	}
	return text + ")"
}

// flagOf is the flag of a setting, empty if there is none.
func flagOf(name string) string {
	for _, f := range fieldsOf(reflect.ValueOf(&Server{}).Elem()) {
		if f.name == name {
			return f.flag()
		}
	}
	return ""
}

func (f field) flag() string {
	if name := f.tag.Get("name"); name != "" {
		return name
	}
	var flag strings.Builder
	for i, c := range f.title {
		if i > 0 && unicode.IsUpper(c) {
			flag.WriteByte('-')
		}
		flag.WriteRune(unicode.ToLower(c))
	}
	return flag.String()
}
