package scalar

import (
	"fmt"
	"reflect"
)

// Malformed is what is wrong with a value: a message for the client.
type Malformed struct{ Message string }

func (m *Malformed) Error() string { return m.Message }

func malformed(format string, args ...any) *Malformed {
	return &Malformed{Message: fmt.Sprintf(format, args...)}
}

// Checked is a scalar that was read from a client.
type Checked interface {
	// Problem is what is wrong with the value; nil if it is good.
	Problem() *Malformed
}

// Problem finds the first malformed scalar in an input: a scalar, or a struct, pointer or slice of them. Nil if all are good.
func Problem(input any) *Malformed { return problemIn(reflect.ValueOf(input)) }

func problemIn(v reflect.Value) *Malformed {
	if !v.IsValid() {
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return problemIn(v.Elem())
	case reflect.Struct, reflect.Slice:
	default:
		return nil
	}
	if checked, ok := v.Interface().(Checked); ok {
		return checked.Problem()
	}
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			if bad := problemIn(v.Index(i)); bad != nil {
				return bad
			}
		}
		return nil
	}
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		if bad := problemIn(v.Field(i)); bad != nil {
			return bad
		}
	}
	return nil
}

// verdict is embedded in every scalar of an input.
type verdict struct{ bad *Malformed }

// Problem is what is wrong with the value; nil if it is good.
func (v verdict) Problem() *Malformed { return v.bad }
