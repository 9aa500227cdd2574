package dataset

import (
	"errors"
	"fmt"
)

// Errors that callers branch on; all come wrapped with the file, and the line where there is one.
var (
	// ErrNoTimestamps means that ratings have no usable time: without it there is no stream to cut into periods.
	ErrNoTimestamps = errors.New("ratings without timestamps")
	// ErrUnknownFormat means that no reader recognizes the files.
	ErrUnknownFormat = errors.New("unknown data set format")
	// ErrAmbiguous means that several files or columns fit equally well and an option has to decide.
	ErrAmbiguous = errors.New("ambiguous data set")
	// ErrTooManyBad means that more than Options.MaxBad lines were bad.
	ErrTooManyBad = errors.New("too many bad lines")
	// ErrNoInteractions means that the files, or what the filter left of them, hold no rating at all.
	ErrNoInteractions = errors.New("no interactions")
)

// LineError is one line that could not be read.
type LineError struct {
	// File is the path of the file.
	File string
	// Line counts from 1; in a compressed file it counts the uncompressed lines.
	Line int
	// Reason says what is wrong with the line.
	Reason string
	// Err is the sentinel the reason stands for, e.g. ErrNoTimestamps, or nil.
	Err error
}

// Error gives file:line: reason.
func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// Unwrap returns the sentinel, if there is one.
func (e *LineError) Unwrap() error { return e.Err }

// badValue is a complaint about a line's content, before file and line number are known.
type badValue struct {
	reason string
	err    error
}

func (e *badValue) Error() string { return e.reason }
func (e *badValue) Unwrap() error { return e.err }

func bad(format string, args ...any) error { return &badValue{reason: fmt.Sprintf(format, args...)} }

func untimed(format string, args ...any) error {
	return &badValue{reason: fmt.Sprintf(format, args...), err: ErrNoTimestamps}
}

// clip shortens hostile or huge field content for a message.
func clip(b []byte) string {
	const most = 40
	if len(b) > most {
		return fmt.Sprintf("%q...", b[:most])
	}
	return fmt.Sprintf("%q", b)
}
