"""What people are told outside the UI, through saved notification blocks.

messages         what they are told               notifiers          sending it through saved blocks
escaping         plain text in every language     block_languages    which language a block's service reads
webhook_addresses  what a block's address may look like
"""
