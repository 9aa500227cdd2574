// Package dataset reads recommendation data sets (ratings and item texts) from the file formats people publish them in, and
// generates synthetic ones.
package dataset

import (
	"fmt"
	"strings"
	"time"
)

// Interaction is one rating event.
type Interaction struct {
	// Time is the event's time in Unix seconds.
	Time int64
	// User and Item are indices into Set.Users and Set.Items.
	User, Item int32
	// Rating is the rating as it stands in the file, on the set's own scale.
	Rating float32
}

// Item is what is known about an item.
type Item struct {
	// ID is the item's identifier in the source file.
	ID string
	// Title is the text that a prompt shows for the item.
	Title string
	// Categories are the item's genres or categories, if the source has them.
	Categories []string
}

// Set is a data set in memory. Interactions are in time order; events with the same time stamp keep the order of
// the file, so the index of an interaction is its place in one total order, and "before" always means "smaller index".
// (Where a source counts milliseconds, these decide the order although Interaction.Time holds seconds.)
type Set struct {
	// Name says what the set is, e.g. "ml-1m".
	Name string
	// Hash is the SHA-256, in hex, of the interactions and item texts as read.
	Hash string
	// Users holds the users' identifiers in the source.
	Users []string
	// Items holds the items.
	Items []Item
	// Interactions holds every event, in time order.
	Interactions []Interaction
	// Skipped counts the bad lines that were passed over (see Options.MaxBad).
	Skipped int
	// BadLines are the first few of the skipped lines, with their reasons.
	BadLines []*LineError
	// Untitled counts the items without a text in the source; their Title is their ID.
	Untitled int
	// Filtered counts the interactions that Options.Filter took away.
	Filtered int
	// Files are the files that the set was read from: the ratings, then the item texts if there are any.
	Files []string
}

// Summary says in one line what was read, and what was passed over.
func (s *Set) Summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d interactions of %d users with %d items", s.Name, len(s.Interactions), len(s.Users), len(s.Items))
	if n := len(s.Interactions); n > 0 {
		const day = "2006-01-02"
		fmt.Fprintf(&b, ", %s to %s", time.Unix(s.Interactions[0].Time, 0).UTC().Format(day), time.Unix(s.Interactions[n-1].Time, 0).UTC().Format(day))
	}
	if s.Untitled > 0 {
		fmt.Fprintf(&b, "; %d items without a title show their ID", s.Untitled)
	}
	if s.Filtered > 0 {
		fmt.Fprintf(&b, "; %d interactions filtered out", s.Filtered)
	}
	if s.Skipped > 0 {
		fmt.Fprintf(&b, "; %d bad lines skipped", s.Skipped)
		if len(s.BadLines) > 0 {
			fmt.Fprintf(&b, ", the first: %v", s.BadLines[0])
		}
	}
	return b.String()
}
