"""The critical section, and what decides about it: resume or submit.

submission   resume or submit: the heart     decision          what to do, by the record
attempt      one attempt                     critical_section  claim, POST, outcome
callbacks    how a caller follows it         pointer           what it returns
adoption     a task known from elsewhere     stop_errors       what a person is told
storm        unknown outcomes in a row
"""
