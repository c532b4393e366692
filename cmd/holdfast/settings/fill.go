package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/payment"
)

// mistake is one setting that is wrong, in one line for the user.
type mistake string

// Error is the line.
func (m mistake) Error() string { return string(m) }

func wrong(name, value, advice string, args ...any) error {
	return mistake(fmt.Sprintf("%s is %q. %s", label(name), value, fmt.Sprintf(advice, args...)))
}

// label names a setting in both ways that it can be set.
func label(name string) string {
	if flag := flagOf(name); flag != "" {
		return fmt.Sprintf("%s (--%s)", name, flag)
	}
	return name
}

// asInput makes an error for the user of one mistake.
func asInput(err error) error {
	if err == nil {
		return nil
	}
	return payment.Errorf(payment.ReasonInvalidInput, "%s", err)
}

// together makes one error of all mistakes, a line each.
func together(mistakes []error) error {
	switch len(mistakes) {
	case 0:
		return nil
	case 1:
		return asInput(mistakes[0])
	}
	lines := make([]string, len(mistakes))
	for i, m := range mistakes {
		lines[i] = "  " + m.Error()
	}
	return payment.Errorf(payment.ReasonInvalidInput, "%d settings are wrong:\n%s", len(mistakes), strings.Join(lines, "\n"))
}

// fill decodes every setting of a struct, and answers all mistakes.
func (s Settings) fill(into reflect.Value) []error {
	var mistakes []error
	for _, f := range fieldsOf(into) {
		text, _, found := s.find(f.name)
		if !found {
			text = f.tag.Get("otherwise")
		}
		switch {
		case text == "" && f.tag.Get("need") != "":
			mistakes = append(mistakes, mistake(missing(f.name)))
		case text != "":
			if err := f.decode(text); err != nil {
				if f.tag.Get("secret") != "" {
					text = hidden
				}
				mistakes = append(mistakes, wrong(f.name, text, "%s", err))
			}
		}
	}
	return mistakes
}

// field is one setting: its place in a struct, and what the struct says about it.
type field struct {
	name  string
	value reflect.Value
	tag   reflect.StructTag
	title string // the field's name
}

// fieldsOf lists the settings of a struct, those of nested structs included.
func fieldsOf(of reflect.Value) []field {
	var out []field
	for i := range of.NumField() {
		at := of.Type().Field(i)
		switch name := at.Tag.Get("setting"); {
		case name != "":
			out = append(out, field{name: name, value: of.Field(i), tag: at.Tag, title: at.Name})
		case at.Type.Kind() == reflect.Struct:
			out = append(out, fieldsOf(of.Field(i))...)
		}
	}
	return out
}

// decode reads a text into the field. The error says what to use instead.
func (f field) decode(text string) error {
	switch into := f.value.Addr().Interface().(type) {
	case *string:
		formed, err := form(f.tag.Get("form"), text)
		*into = formed
		return err
	case *bool:
		value, err := strconv.ParseBool(text)
		*into = value
		return instead(err, "Use true or false.")
	case *int64:
		return f.decodeInt(text, into)
	case *payment.Sat:
		return f.decodeInt(text, (*int64)(into))
	case *time.Duration:
		return f.decodeDuration(text, into)
	case *limit.Rate:
		rate, err := limit.ParseRate(text)
		*into = rate
		return instead(err, `Use "N per TIME, burst N" like "120 per 1m, burst 40" (at most 1,000,000 per 24h), or off.`)
	case *[]string:
		list := splitList(text)
		for i, item := range list {
			formed, err := form(f.tag.Get("form"), item)
			if err != nil {
				return err
			}
			list[i] = formed
		}
		*into = list
		return nil
	case *[]netip.Prefix:
		return decodePrefixes(text, into)
	default:
		return fmt.Errorf("a setting cannot be a %T", into)
	}
}

func instead(err error, advice string) error {
	if err == nil {
		return nil
	}
	return errors.New(advice)
}

func (f field) decodeInt(text string, into *int64) error {
	low, lowErr := strconv.ParseInt(f.tag.Get("min"), 10, 64)
	high, highErr := strconv.ParseInt(f.tag.Get("max"), 10, 64)
	value, err := strconv.ParseInt(text, 10, 64)
	if lowErr != nil || highErr != nil || err != nil || value < low || value > high {
		return fmt.Errorf("Use a whole number from %s to %s.", f.tag.Get("min"), f.tag.Get("max"))
	}
	*into = value
	return nil
}

func (f field) decodeDuration(text string, into *time.Duration) error {
	low, lowErr := time.ParseDuration(f.tag.Get("min"))
	high, highErr := time.ParseDuration(f.tag.Get("max"))
	value, err := time.ParseDuration(text)
	if lowErr != nil || highErr != nil || err != nil || value < low || value > high {
		return fmt.Errorf("Use a time with its unit, like 10s or 5m, from %s to %s.", f.tag.Get("min"), f.tag.Get("max"))
	}
	*into = value
	return nil
}

func decodePrefixes(text string, into *[]netip.Prefix) error {
	for _, item := range splitList(text) {
		prefix, err := netip.ParsePrefix(item)
		if err != nil {
			return errors.New("Use networks like 10.0.0.0/8, separated by commas.")
		}
		*into = append(*into, prefix.Masked())
	}
	return nil
}

func splitList(text string) []string {
	items := strings.Split(text, ",")
	for i, item := range items {
		items[i] = strings.TrimSpace(item)
	}
	return items
}
