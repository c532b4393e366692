//go:build unix && !linux

package process

import "syscall"

// Without a parent-death signal, children of a killed supervisor are found by
// their pid files and ended at the next start.
func childAttributes(spec Spec) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: spec.Credential}
}
